// The app and all that belongs to it, in one resource group of its own. `azd provision` deploys this.
//
// Nothing here may touch another resource group: `azd down` deletes every resource group in which this deployment has a
// resource. Rights on clusters and vaults, and the events, are connect/main.bicep, which runs once the code is there.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Name of the azd environment; the resource group is rg-<name>.')
param environmentName string

@minLength(1)
@description('Region of the app. Key Vault events and ARM calls cross regions; it need not be that of the clusters.')
param location string

@minLength(1)
@description('ARM ids of subscriptions, resource groups and clusters to look after, comma-separated.')
param clusterScopes string

@minLength(1)
@description('ARM ids of the key vaults that hold the clusters\' keys, comma-separated. Managed HSMs send no events and are not named here.')
param keyVaultIds string

@allowed(['observe', 'enforce'])
@description('observe decides, logs and reports; enforce updates clusters. Begin with observe.')
param mode string

@allowed(['FlexConsumption', 'ElasticPremium'])
@description('FlexConsumption, or ElasticPremium where Flex Consumption is not offered, such as Azure Government.')
param hostingPlan string = 'FlexConsumption'

@description('Whether the app reaches storage and vaults through a virtual network and private endpoints: needed when a vault has a firewall, because Functions is not one of its trusted services.')
param vnetEnabled bool = false

@description('Email address that hears of alerts. Without it, alerts are only shown in Azure Monitor.')
param alertEmail string = ''

@allowed([5, 10, 15, 20])
@description('Minutes between two looks at every cluster. Three periods without one raise the alert that the app is silent.')
param reconcileEveryMinutes int = 10

@minValue(30)
@maxValue(730)
@description('Days that logs are kept. They are the evidence of each rotation.')
param retentionDays int = 365

@description('Endpoint of an Event Grid custom topic for finished rotations, if one is wanted. The app\'s identity needs EventGrid Data Sender on it.')
param outcomeTopicEndpoint string = ''

var token = uniqueString(subscription().id, environmentName, location)
var tags = { 'azd-env-name': environmentName }
var vaults = map(split(keyVaultIds, ','), id => trim(id))

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'app/identity.bicep' = {
  name: 'identity'
  scope: group
  params: { name: 'id-${token}', location: location, tags: tags }
}

module monitoring 'app/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: 'log-${token}'
    insightsName: 'appi-${token}'
    location: location
    tags: tags
    retentionDays: retentionDays
    principalId: identity.outputs.principalId
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
    publicAccess: !vnetEnabled
  }
}

module network 'app/network.bicep' = if (vnetEnabled) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-${token}'
    location: location
    tags: tags
    flex: hostingPlan == 'FlexConsumption'
    storageId: storage.outputs.id
    vaultIds: vaults
  }
}

module function 'app/function.bicep' = {
  name: 'function'
  scope: group
  params: {
    name: 'func-${token}'
    planName: 'plan-${token}'
    location: location
    tags: tags
    hostingPlan: hostingPlan
    subnetId: vnetEnabled ? network!.outputs.appSubnetId : ''
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    workspaceId: monitoring.outputs.workspaceId
    clusterScopes: clusterScopes
    mode: mode
    reconcileEveryMinutes: reconcileEveryMinutes
    outcomeTopicEndpoint: outcomeTopicEndpoint
  }
}

module actions 'watch/actions.bicep' = {
  name: 'actions'
  scope: group
  params: { name: 'ag-${token}', tags: tags, email: alertEmail }
}

module alerts 'watch/alerts.bicep' = {
  name: 'alerts'
  scope: group
  params: {
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    actionGroupId: actions.outputs.id
    reconcileEveryMinutes: reconcileEveryMinutes
  }
}

module workbook 'watch/workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: { location: location, tags: tags, workspaceId: monitoring.outputs.workspaceId }
}

// azd keeps these in its environment, where hooks/connections.py finds them.
@description('The app\'s resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('ARM id of the function app.')
output FUNCTION_APP_ID string = function.outputs.id

@description('Object id of the app\'s identity.')
output APP_PRINCIPAL_ID string = identity.outputs.principalId

@description('ARM id of the storage account that keeps dead letters.')
output STORAGE_ACCOUNT_ID string = storage.outputs.id

@description('ARM id of the workspace that keeps the app\'s logs.')
output WORKSPACE_ID string = monitoring.outputs.workspaceId

@description('ARM id of the action group that alerts call.')
output ACTION_GROUP_ID string = actions.outputs.id

@description('As given.')
output CLUSTER_SCOPES string = clusterScopes

@description('As given.')
output KEY_VAULT_IDS string = keyVaultIds

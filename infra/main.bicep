// The app and all that belongs to it, in one resource group of its own. `azd provision` deploys this.
//
// Nothing here may touch another resource group: `azd down` deletes every resource group in which this deployment has a
// resource, with all that is in it. So the group has a name that nobody else gives, and holds neither clusters nor vaults.
// Rights on these, and the events, are connect/main.bicep, which runs once the code is there.
targetScope = 'subscription'

@minLength(1)
@maxLength(64)
@description('Name of the azd environment; the resource group is rg-cmk-rotation-<name>.')
param environmentName string

@minLength(1)
@description('Region of the app. Key Vault events and ARM calls cross regions; it need not be that of the clusters.')
param location string

@minLength(1)
@description('ARM ids of subscriptions, resource groups and clusters to look after, comma-separated.')
param clusterScopes string

@description('ARM ids of the key vaults that hold the clusters\' keys, comma-separated; none if all keys are in Managed HSMs, which send no events and are not named here.')
param keyVaultIds string

@description('ARM ids of subscriptions, resource groups and storage accounts whose keys the app may see, comma-separated: where storage lies that workspaces of the clusters are linked to. None if it may see none.')
param storageScopes string = ''

@allowed(['watch', 'ignore'])
@description('Whether the app looks at storage accounts that workspaces of the clusters are linked to.')
param storageAccounts string = 'watch'

@allowed(['observe', 'enforce'])
@description('observe decides, logs and reports; enforce updates clusters. Begin with observe.')
param mode string

@allowed(['FlexConsumption', 'ElasticPremium'])
@description('FlexConsumption, or ElasticPremium where Flex Consumption is not offered, such as Azure Government.')
param hostingPlan string = 'FlexConsumption'

@description('Whether the app reaches storage and vaults through a virtual network and private endpoints: needed when a vault has a firewall, because Functions is not one of its trusted services.')
param vnetEnabled bool = false

@description('ARM id of a subnet that is there and that the app is to call from, instead of a network of its own; with endpointSubnetId, and vnetEnabled.')
param appSubnetId string = ''

@description('ARM id of a subnet that is there and that private endpoints are to be in.')
param endpointSubnetId string = ''

@description('Whether the app\'s own network has private DNS zones of its own. With subnets that are there, there are none.')
param ownPrivateZones bool = true

@description('Whether the vaults\' owners approve the private endpoints by hand: needed when whoever deploys may not approve them.')
param vaultOwnersApprove bool = false

@description('Whether only Event Grid reaches the app from outside. Has effect in the public cloud alone.')
param onlyEventGridInbound bool = false

@minValue(0)
@maxValue(40)
@description('Instances that Flex Consumption keeps ready for visits, so that a delayed one never waits for a start; they cost money day and night.')
param alwaysReadyInstances int = 0

@description('Email address that hears of alerts. Without it and without action groups, alerts are only shown in Azure Monitor.')
param alertEmail string = ''

@description('ARM ids of action groups that are there and that alerts are to call, comma-separated.')
param actionGroupIds string = ''

@allowed([5, 10, 15, 20])
@description('Minutes between two looks at every cluster. Three periods without one raise the alert that the app is silent.')
param reconcileEveryMinutes int = 10

@minValue(30)
@maxValue(730)
@description('Days that logs are kept. They are the evidence of each rotation.')
param retentionDays int = 365

@description('Endpoint of an Event Grid custom topic for finished rotations, if one is wanted. The app\'s identity needs EventGrid Data Sender on it.')
param outcomeTopicEndpoint string = ''

@description('API version to speak to Azure Resource Manager in, where the cloud does not know the app\'s own.')
param armApiVersion string = ''

@description('API version to speak to Key Vault and Managed HSM in, likewise.')
param keyVaultApiVersion string = ''

@description('API version to speak to queues and tables in, likewise.')
param storageApiVersion string = ''

@allowed(['Enabled', 'Disabled', 'SecuredByPerimeter'])
@description('Public network access of the app\'s storage account. Without it, undelivered events leave no dead letters, and the app needs its network.')
param storagePublicAccess string = 'Enabled'

@description('ARM id of an Azure Monitor private link scope that is there. With it, the app\'s logs have no public access.')
param privateLinkScopeId string = ''

@description('ARM id of a storage account that is there and that is to keep the queries of log alerts, encrypted as it is.')
param alertsStorageId string = ''

@description('ARM id of a blob container that is there and that is to keep the workbook; none for no workbook.')
param workbookStorageId string = ''

@description('ARM id of a user-assigned identity that is there and has rights on that storage.')
param watchIdentityId string = ''

@description('Object id of an Entra group whose members may read the record and ask for visits; none for nobody but the app.')
param operatorsGroupId string = ''

@description('Tags for everything that is made, as name=value, comma-separated.')
param extraTags string = ''

var groupName = 'rg-cmk-rotation-${environmentName}'
var token = uniqueString(toLower(subscription().id), toLower(environmentName), toLower(location))
var storageName = 'st${token}'
var workspaceName = 'log-${token}'
var insightsName = 'appi-${token}'
var tagPairs = filter(split(extraTags, ','), pair => contains(pair, '='))
var wantedTags = toObject(tagPairs, pair => trim(split(pair, '=')[0]), pair => trim(split(pair, '=')[1]))
var tags = union(wantedTags, { 'azd-env-name': environmentName })

// All that differs by cloud and that environment() does not tell. infra/README.md, Clouds, has the sources.
var publicCloud = environment().name == 'AzureCloud'
var cloud = {
  // By the names that the app has for clouds; any other is described to it.
  isKnown: contains(['AzureCloud', 'AzureUSGovernment', 'AzureChinaCloud'], environment().name)
  // Elsewhere the name alone does not do.
  storageByName: publicCloud
  // The host's SDK asks for a token of the public cloud in every cloud: elsewhere telemetry arrives only without one.
  telemetryByIdentity: publicCloud
  // Others have no such service tag.
  eventGridTag: publicCloud
}

// Each once, in whatever casing and however often it was given. azd asks again for what is empty: so `none` is a word.
var scopeList = split(replace(toLower(clusterScopes), '\n', ','), ',')
var vaultList = split(replace(toLower(keyVaultIds), '\n', ','), ',')
var storageList = split(replace(toLower(storageScopes), '\n', ','), ',')
var scopes = union(filter(map(scopeList, id => trim(id)), id => !empty(id)), [])
var vaults = union(filter(map(vaultList, id => trim(id)), id => !contains(['', 'none'], id)), [])

var givenGroups = union(filter(map(split(actionGroupIds, ','), id => trim(id)), id => !empty(id)), [])
var ownActions = empty(givenGroups) || !empty(alertEmail)

var ownNetwork = vnetEnabled && empty(appSubnetId)
var givenSubnetId = vnetEnabled ? appSubnetId : ''

// Said here instead of taken from modules, because names and texts are made of them.
var subscriptionId = subscription().subscriptionId
var workspaceId = resourceId(subscriptionId, groupName, 'Microsoft.OperationalInsights/workspaces', workspaceName)
var workbookName = guid(toLower(workspaceId), 'cmk-rotation')
var workbookId = resourceId(subscriptionId, groupName, 'Microsoft.Insights/workbooks', workbookName)
var hasWorkbook = toLower(workbookStorageId) != 'none'
var lookAt = '${environment().portal}/#resource${hasWorkbook ? '${workbookId}/workbook' : '${workspaceId}/logs'}'

var groupId = toLower('${subscription().id}/resourceGroups/${groupName}')
var placesOfStorage = filter(map(storageList, id => trim(id)), id => !empty(id))
var within = filter(concat(scopes, vaults, placesOfStorage), id => contains('/${id}/', '${groupId}/'))
var refusal = 'In the resource group of the app, which azd down deletes with all that is in it: ${join(within, ', ')}'

resource group 'Microsoft.Resources/resourceGroups@2022-09-01' = {
  name: empty(within) ? groupName : fail(refusal)
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
    workspaceName: workspaceName
    insightsName: insightsName
    location: location
    tags: tags
    retentionDays: retentionDays
    telemetryByIdentity: cloud.telemetryByIdentity
    publicAccess: empty(privateLinkScopeId)
    alertsStorageId: alertsStorageId
    identityId: empty(alertsStorageId) ? '' : watchIdentityId
    // Known only when the identity is there, and still part of a right's name: a new identity needs a right of its own.
    #disable-next-line what-if-short-circuiting
    principalId: identity.outputs.principalId
  }
}

module storage 'app/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: storageName
    location: location
    tags: tags
    // As above.
    #disable-next-line what-if-short-circuiting
    principalId: identity.outputs.principalId
    openToAll: !vnetEnabled
    publicNetworkAccess: storagePublicAccess
  }
}

module operators 'app/operators.bicep' = if (!empty(operatorsGroupId)) {
  name: 'operators'
  scope: group
  params: { storageName: storageName, groupId: operatorsGroupId }
  dependsOn: [storage]
}

module network 'app/network.bicep' = if (ownNetwork) {
  name: 'network'
  scope: group
  params: {
    name: 'vnet-${token}'
    location: location
    tags: tags
    flex: hostingPlan == 'FlexConsumption'
  }
}

module endpoints 'app/endpoints.bicep' = if (vnetEnabled) {
  name: 'endpoints'
  scope: group
  params: {
    name: 'vnet-${token}'
    location: location
    tags: tags
    subnetId: ownNetwork ? network!.outputs.endpointSubnetId : endpointSubnetId
    ownZones: ownNetwork && ownPrivateZones
    networkId: ownNetwork ? network!.outputs.id : ''
    storageId: storage.outputs.id
    vaultIds: vaults
    vaultOwnersApprove: vaultOwnersApprove
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
    alwaysReadyInstances: alwaysReadyInstances
    onlyEventGridInbound: onlyEventGridInbound && cloud.eventGridTag
    cloudIsKnown: cloud.isKnown
    storageByName: cloud.storageByName
    telemetryByIdentity: cloud.telemetryByIdentity
    subnetId: ownNetwork ? network!.outputs.appSubnetId : givenSubnetId
    identityId: identity.outputs.id
    clientId: identity.outputs.clientId
    storageName: storageName
    insightsName: insightsName
    workspaceId: monitoring.outputs.workspaceId
    clusterScopes: clusterScopes
    storageAccounts: storageAccounts
    mode: mode
    reconcileEveryMinutes: reconcileEveryMinutes
    outcomeTopicEndpoint: outcomeTopicEndpoint
    armApiVersion: armApiVersion
    keyVaultApiVersion: keyVaultApiVersion
    storageApiVersion: storageApiVersion
  }
  // The linter sees that endpoints waits for storage, and not that without a network nothing else would.
  #disable-next-line no-unnecessary-dependson
  dependsOn: [storage, endpoints]
}

module actions 'watch/actions.bicep' = if (ownActions) {
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
    actionGroupIds: ownActions ? concat([actions!.outputs.id], givenGroups) : givenGroups
    ownStorage: !empty(alertsStorageId)
    reconcileEveryMinutes: reconcileEveryMinutes
    groupId: group.id
    lookAt: lookAt
  }
}

module workbook 'watch/workbook.bicep' = if (hasWorkbook) {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: tags
    storageId: workbookStorageId
    identityId: watchIdentityId
    name: workbookName
    workspaceId: workspaceId
  }
  dependsOn: [monitoring]
}

// azd keeps these in its environment, where the hooks find them.
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

@description('ARM ids of the action groups that alerts call, comma-separated.')
output CALLED_ACTION_GROUP_IDS string = join(ownActions ? concat([actions!.outputs.id], givenGroups) : givenGroups, ',')

@description('As given.')
output CLUSTER_SCOPES string = clusterScopes

@description('As given.')
output KEY_VAULT_IDS string = keyVaultIds

@description('As given.')
output STORAGE_SCOPES string = storageScopes

@description('As given.')
output EXTRA_TAGS string = extraTags

@description('As given.')
output STORAGE_PUBLIC_ACCESS string = storagePublicAccess

@description('ARM id of the Application Insights component.')
output INSIGHTS_ID string = monitoring.outputs.insightsId

@description('As given.')
output PRIVATE_LINK_SCOPE_ID string = privateLinkScopeId

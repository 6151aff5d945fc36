// The function app: Python 3.13 on Linux, no keys, https only.

@description('Name of the function app.')
param name string

@description('Name of its plan.')
param planName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@allowed(['FlexConsumption', 'ElasticPremium'])
@description('The kind of plan.')
param hostingPlan string

@description('Instances of Flex Consumption that are always ready for visits.')
param alwaysReadyInstances int

@description('Whether only Event Grid reaches the app from outside.')
param onlyEventGridInbound bool

@description('Whether the app knows this cloud by name; any other is described to it.')
param cloudIsKnown bool

@description('Whether the host finds its storage by the account\'s name, or else by addresses.')
param storageByName bool

@description('Whether telemetry is sent by identity alone.')
param telemetryByIdentity bool

@description('ARM id of the subnet to call from; empty for none.')
param subnetId string

@description('ARM id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param clientId string

@description('Name of the storage account, which must be there with the identity\'s rights.')
param storageName string

@description('Name of the Application Insights component.')
param insightsName string

@description('ARM id of the workspace that the telemetry goes to.')
param workspaceId string

@description('ARM ids of what to look after, comma-separated.')
param clusterScopes string

@allowed(['watch', 'ignore'])
@description('What to do about linked storage accounts.')
param storageAccounts string

@allowed(['observe', 'enforce'])
@description('What the app may do.')
param mode string

@description('Minutes between two looks at every cluster.')
param reconcileEveryMinutes int

@description('Endpoint of a custom topic for finished rotations; empty for none.')
param outcomeTopicEndpoint string

@description('API version to speak to Azure Resource Manager in; empty for the app\'s own.')
param armApiVersion string

@description('API version to speak to Key Vault and Managed HSM in, likewise.')
param keyVaultApiVersion string

@description('API version to speak to queues and tables in, likewise.')
param storageApiVersion string

var flex = hostingPlan == 'FlexConsumption'
// A cloud's own list; Azure Government's audience is not its ARM host.
var audience = environment().authentication.audiences[0]

var productSettings = {
  CLUSTER_SCOPES: clusterScopes
  MODE: mode
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: clientId
  AZURE_CLIENT_ID: clientId
  RECONCILE_SCHEDULE: '0 */${reconcileEveryMinutes} * * * *'
  AZURE_CLOUD: cloudIsKnown ? environment().name : 'Custom'
  ARM_ENDPOINT: cloudIsKnown ? '' : environment().resourceManager
  ARM_AUDIENCE: cloudIsKnown ? '' : audience
  KEY_VAULT_SUFFIXES: cloudIsKnown ? '' : environment().suffixes.keyvaultDns
  UPDATE_DEADLINE_HOURS: '6'
  POLL_FLOOR_SECONDS: '5'
  POLL_CEILING_SECONDS: '300'
  RETRY_FLOOR_SECONDS: '3600'
  RETRY_CEILING_SECONDS: '86400'
  KEEP_OLD_VERSION_HOURS: '24'
  EXPIRY_WARNING_DAYS: '30'
  OUTCOME_TOPIC_ENDPOINT: outcomeTopicEndpoint
  ARM_API_VERSION: armApiVersion
  KEY_VAULT_API_VERSION: keyVaultApiVersion
  STORAGE_API_VERSION: storageApiVersion
  STORAGE_ACCOUNTS: storageAccounts
  TELEMETRY_WORKSPACE_ID: workspaceId
  // As many as host.json gives one instance visits, which mostly wait.
  PYTHON_THREADPOOL_THREAD_COUNT: '32'
}
// By the account's name where that does: with addresses alone, the host may start without its storage.
var storageSettings = storageByName
  ? { AzureWebJobsStorage__accountName: storageName }
  : {
      AzureWebJobsStorage__blobServiceUri: storage.properties.primaryEndpoints.blob
      AzureWebJobsStorage__queueServiceUri: storage.properties.primaryEndpoints.queue
      AzureWebJobsStorage__tableServiceUri: storage.properties.primaryEndpoints.table
    }
// An address, and no credential where the component takes telemetry from an identity alone; elsewhere whoever knows the
// address may send telemetry.
var connectionSettings = { APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString }
var signInSettings = telemetryByIdentity
  ? { APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD' }
  : {}
// Premium usually keeps its files on a share that only a shared key opens. Run from a package in blob storage, it needs
// none.
var premiumSettings = flex
  ? {}
  : {
      FUNCTIONS_EXTENSION_VERSION: '~4'
      FUNCTIONS_WORKER_RUNTIME: 'python'
      WEBSITE_RUN_FROM_PACKAGE: '${storage.properties.primaryEndpoints.blob}app-package/app.zip'
      WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID: identityId
    }

var eventGrid = {
  name: 'EventGrid'
  priority: 100
  action: 'Allow'
  tag: 'ServiceTag'
  ipAddress: 'AzureEventGrid'
}
var commonSite = {
  minTlsVersion: '1.2'
  scmMinTlsVersion: '1.2'
  http20Enabled: true
  // Said also when it is open, so that it can be opened again. `azd deploy` comes by the scm site, which stays open.
  ipSecurityRestrictions: onlyEventGridInbound ? [eventGrid] : []
  ipSecurityRestrictionsDefaultAction: onlyEventGridInbound ? 'Deny' : 'Allow'
  scmIpSecurityRestrictionsUseMain: false
}
// Flex Consumption refuses some of these, and some of its stamps refuse even a null in their place.
var premiumSite = {
  ftpsState: 'Disabled'
  linuxFxVersion: 'Python|3.13'
  minimumElasticInstanceCount: 1
  // Premium sees queues behind private endpoints only so.
  functionsRuntimeScaleMonitoringEnabled: !empty(subnetId)
}
// The package in blob storage, too, is reached through the network.
var premiumNetwork = {
  vnetRouteAllEnabled: true
  vnetContentShareEnabled: true
}
var ready = { name: 'function:on_visit', instanceCount: alwaysReadyInstances }
var flexConfig = {
  deployment: {
    storage: {
      type: 'blobContainer'
      value: '${storage.properties.primaryEndpoints.blob}app-package'
      authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
    }
  }
  runtime: { name: 'python', version: '3.13' }
  // The work is waiting, not computing, so a small instance would do; but 512 MB leave little beside the host and Python, and
  // an instance that dies of it gives its messages back only after ten minutes. infra/README.md reckons the cost.
  scaleAndConcurrency: {
    instanceMemoryMB: 2048
    maximumInstanceCount: 40
    alwaysReady: alwaysReadyInstances == 0 ? [] : [ready]
  }
}
var site = {
  serverFarmId: plan.id
  httpsOnly: true
  virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
  keyVaultReferenceIdentity: identityId
  siteConfig: union(commonSite, flex ? {} : premiumSite)
  functionAppConfig: flex ? flexConfig : null
}

resource storage 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2023-12-01' = {
  name: planName
  location: location
  tags: tags
  kind: flex ? 'functionapp' : 'elastic'
  sku: flex ? { name: 'FC1', tier: 'FlexConsumption' } : { name: 'EP1', tier: 'ElasticPremium' }
  // Of more than one worker, Premium makes use only if it is told.
  properties: flex ? { reserved: true } : { reserved: true, maximumElasticWorkerCount: 3 }
}

resource app 'Microsoft.Web/sites@2023-12-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: union(site, flex || empty(subnetId) ? {} : premiumNetwork)

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(productSettings, storageSettings, connectionSettings, signInSettings, premiumSettings)
  }

  resource scmCredentials 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }

  resource ftpCredentials 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }
}

@description('ARM id.')
output id string = app.id

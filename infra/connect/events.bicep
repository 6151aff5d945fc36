// From a vault's system topic to the function. Event Grid fetches the function's key by itself; nobody handles it.

@description('Name of the system topic.')
param topicName string

@description('Name of the event subscription.')
param name string

@description('ARM id of the function app.')
param functionAppId string

@description('ARM id of the storage account that keeps dead letters.')
param storageAccountId string

@description('Whether Event Grid reaches the storage account, to leave there what it could not deliver.')
param deadLetters bool

@description('ARM id of the workspace that keeps the app\'s logs.')
param workspaceId string

var appParts = split(functionAppId, '/')

resource app 'Microsoft.Web/sites@2023-12-01' existing = {
  name: last(appParts)
  scope: resourceGroup(appParts[2], appParts[4])

  resource onKeyEvent 'functions' existing = {
    name: 'on_key_event'
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' existing = {
  name: topicName
}

var destination = {
  endpointType: 'AzureFunction'
  properties: {
    resourceId: app::onKeyEvent.id
    maxEventsPerBatch: 1
    preferredBatchSizeInKilobytes: 64
  }
}
var always = {
  eventDeliverySchema: 'EventGridSchema'
  filter: {
    includedEventTypes: ['Microsoft.KeyVault.KeyNewVersionCreated']
  }
  destination: destination
  retryPolicy: {
    maxDeliveryAttempts: 30
    eventTimeToLiveInMinutes: 1440
  }
}
// Event Grid may refuse a subscription whose dead letters it cannot leave. Without them an undelivered event is dropped and
// counted, and an alert says so.
var letters = {
  deadLetterWithResourceIdentity: {
    identity: { type: 'SystemAssigned' }
    deadLetterDestination: {
      endpointType: 'StorageBlob'
      properties: { resourceId: storageAccountId, blobContainerName: 'dead-letters' }
    }
  }
}

resource delivery 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2022-06-15' = {
  parent: topic
  name: name
  properties: union(always, deadLetters ? letters : {})
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: name
  scope: topic
  properties: {
    workspaceId: workspaceId
    // The table AegDeliveryFailureLogs, which docs/runbook.md asks; without this it may be AzureDiagnostics.
    logAnalyticsDestinationType: 'Dedicated'
    logs: [{ category: 'DeliveryFailures', enabled: true }]
  }
}

@description('ARM id of the event subscription.')
output id string = delivery.id

@description('ARM id of the diagnostic setting.')
output diagnosticSettingId string = diagnostics.id

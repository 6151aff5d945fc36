// One key vault: the right to see its keys' versions, and its events.

@description('Name of the key vault.')
param vaultName string

@description('Region of the key vault.')
param location string

@description('ARM id of the system topic that the vault already has; empty if it has none.')
param existingTopicId string

@description('Object id of that topic\'s identity; empty if there is none.')
param existingTopicPrincipalId string

@description('Tags that say whose this is.')
param tags object

@description('Tells this installation from others.')
param token string

@description('Name of the role to give for keys; empty for our own.')
param givenRole string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

@description('Object id of the app\'s identity.')
param principalId string

@description('ARM id of the function app.')
param functionAppId string

@description('ARM id of the storage account that keeps dead letters.')
param storageAccountId string

@description('Whether Event Grid reaches that account.')
param deadLetters bool

@description('ARM id of the workspace that keeps the app\'s logs.')
param workspaceId string

@description('ARM ids of the action groups that alerts call.')
param actionGroupIds string[]

var roleId = empty(givenRole) ? guid(toLower(subscription().id), token, 'keys') : givenRole
// Of a right, Azure changes no role: one by another role is another right.
var kind = empty(givenRole) ? 'keys' : givenRole
var reused = !empty(existingTopicId)
var topicId = reused ? existingTopicId : topic.id
var topicParts = split(topicId, '/')
var storageParts = split(storageAccountId, '/')

resource vault 'Microsoft.KeyVault/vaults@2023-02-01' existing = {
  name: vaultName
}

// Has effect where the vault uses Azure RBAC; with access policies the right is Key: List (docs/runbook.md).
resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(vault.id), token, kind, principalId)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    description: mark
  }
}

resource topic 'Microsoft.EventGrid/systemTopics@2022-06-15' = if (!reused) {
  name: 'cmk-rotation-${uniqueString(token, toLower(vault.id))}'
  location: location
  tags: tags
  identity: { type: 'SystemAssigned' }
  properties: {
    source: vault.id
    topicType: 'Microsoft.KeyVault.vaults'
  }
}

module deadLetterAccess 'dead-letter-access.bicep' = if (deadLetters) {
  name: 'cmk-rotation-dead-letters-${uniqueString(token, toLower(vault.id))}'
  scope: resourceGroup(storageParts[2], storageParts[4])
  params: {
    storageName: last(storageParts)
    // A right's name must change with its principal, which for a new topic is known only when that is made.
    #disable-next-line what-if-short-circuiting
    principalId: reused ? existingTopicPrincipalId : topic!.identity.principalId
    mark: mark
  }
}

module events 'events.bicep' = {
  name: 'cmk-rotation-events-${uniqueString(token, toLower(vault.id))}'
  scope: resourceGroup(topicParts[2], topicParts[4])
  params: {
    topicName: last(topicParts)
    name: 'cmk-rotation-${token}'
    functionAppId: functionAppId
    storageAccountId: storageAccountId
    deadLetters: deadLetters
    workspaceId: workspaceId
  }
  dependsOn: [deadLetterAccess]
}

module alerts 'event-alerts.bicep' = {
  name: 'cmk-rotation-event-alerts-${uniqueString(token, toLower(vault.id))}'
  scope: resourceGroup(topicParts[2], topicParts[4])
  params: {
    name: 'cmk-rotation-events-${vaultName}-${uniqueString(token, toLower(vault.id))}'
    vaultName: vaultName
    topicId: topicId
    tags: tags
    eventSubscriptionName: 'cmk-rotation-${token}'
    actionGroupIds: actionGroupIds
  }
  dependsOn: [events]
}

@description('ARM id of the right.')
output accessId string = access.id

@description('ARM id of the right to leave dead letters; empty if there are none.')
output deadLetterAccessId string = deadLetters ? deadLetterAccess!.outputs.id : ''

@description('ARM id of the system topic if it was made here, else empty.')
output createdTopicId string = reused ? '' : topic.id

@description('ARM id of the event subscription.')
output eventSubscriptionId string = events.outputs.id

@description('ARM id of the topic\'s diagnostic setting.')
output diagnosticSettingId string = events.outputs.diagnosticSettingId

@description('ARM ids of the alerts on the topic.')
output alertIds string[] = alerts.outputs.ids

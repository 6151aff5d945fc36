// A topic's right to leave what it could not deliver in the app's storage account, in that one container.

@description('Name of the storage account.')
param storageName string

@description('Object id of the topic\'s identity.')
param principalId string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  name: '${storageName}/default/dead-letters'
}

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(container.id), principalId, storageBlobDataContributor)
  scope: container
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    description: mark
  }
}

@description('ARM id of the right.')
output id string = access.id

// The right to move every cluster of one resource group.
targetScope = 'resourceGroup'

@description('Object id of the app\'s identity.')
param principalId string

@description('Tells this installation\'s roles from others.')
param token string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

var roleId = guid(toLower(subscription().id), token, 'clusters')

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(resourceGroup().id), token, 'clusters', principalId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    description: mark
  }
}

@description('ARM id of the right.')
output id string = access.id

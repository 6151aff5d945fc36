// The right to see which key encrypts one storage account.

@description('Name of the storage account.')
param accountName string

@description('Object id of the app\'s identity.')
param principalId string

@description('Tells this installation\'s roles from others.')
param token string

@description('Name of the role to give; empty for our own.')
param givenRole string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

var roleId = empty(givenRole) ? guid(toLower(subscription().id), token, 'storage') : givenRole
// Of a right, Azure changes no role: one by another role is another right.
var kind = empty(givenRole) ? 'storage' : givenRole

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: accountName
}

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(account.id), token, kind, principalId)
  scope: account
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    description: mark
  }
}

@description('ARM id of the right.')
output id string = access.id

// The right to every cluster, or to every storage account, of one subscription.
targetScope = 'subscription'

@description('Object id of the app\'s identity.')
param principalId string

@description('Tells this installation\'s roles from others.')
param token string

@allowed(['clusters', 'storage'])
@description('For what the right is: each has a role of its own.')
param kindOfRole string

@description('Name of the role to give; empty for our own.')
param givenRole string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

var roleId = empty(givenRole) ? guid(toLower(subscription().id), token, kindOfRole) : givenRole
// Of a right, Azure changes no role: one by another role is another right.
var kind = empty(givenRole) ? kindOfRole : givenRole

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(subscription().id), token, kind, principalId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    description: mark
  }
}

@description('ARM id of the right.')
output id string = access.id

// The right to move one cluster.

@description('Name of the cluster.')
param clusterName string

@description('Object id of the app\'s identity.')
param principalId string

@description('Tells this installation\'s roles from others.')
param token string

@description('Name of the role to give; empty for our own.')
param givenRole string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

var roleId = empty(givenRole) ? guid(toLower(subscription().id), token, 'clusters') : givenRole
// Of a right, Azure changes no role: one by another role is another right.
var kind = empty(givenRole) ? 'clusters' : givenRole

resource cluster 'Microsoft.OperationalInsights/clusters@2023-09-01' existing = {
  name: clusterName
}

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(cluster.id), token, kind, principalId)
  scope: cluster
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleId)
    description: mark
  }
}

@description('ARM id of the right.')
output id string = access.id

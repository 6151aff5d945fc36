// The roles for clusters in one subscription. There is no built-in one that is narrow: Log Analytics Contributor may
// do everything to every workspace. Nor can a role narrow clusters/write to the key; the app sends nothing else.
targetScope = 'subscription'

@description('Tells this installation\'s roles from others.')
param token string

@description('Name of the role that is given for clusters instead; empty for one of our own.')
param givenClusterRole string

@description('Name of the role that is given for operations instead; empty for one of our own.')
param givenOperationRole string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

@description('Object id of the app\'s identity.')
param principalId string

// Of a right, Azure changes no role: one by another role is another right.
var kind = empty(givenOperationRole) ? 'operations' : givenOperationRole

resource clusterRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (empty(givenClusterRole)) {
  name: guid(toLower(subscription().id), token, 'clusters')
  properties: {
    roleName: 'CMK rotation: clusters (${uniqueString(toLower(subscription().id), token)})'
    description: 'Read and update dedicated clusters, follow the updates, read the state and the linked storage of workspaces. ${mark}'
    type: 'CustomRole'
    assignableScopes: ['/subscriptions/${subscription().subscriptionId}']
    permissions: [
      {
        actions: [
          'Microsoft.OperationalInsights/clusters/read'
          'Microsoft.OperationalInsights/clusters/write'
          'Microsoft.OperationalInsights/locations/operationStatuses/read'
          'Microsoft.OperationalInsights/workspaces/read'
          'Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

// An operation's address lies below the subscription, so a role on a resource group or cluster does not reach it.
resource operationRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (empty(givenOperationRole)) {
  name: guid(toLower(subscription().id), token, 'operations')
  properties: {
    roleName: 'CMK rotation: operations (${uniqueString(toLower(subscription().id), token)})'
    description: 'Read the status of operations on dedicated clusters. ${mark}'
    type: 'CustomRole'
    assignableScopes: ['/subscriptions/${subscription().subscriptionId}']
    permissions: [
      {
        actions: ['Microsoft.OperationalInsights/locations/operationStatuses/read']
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource access 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(subscription().id), token, kind, principalId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: empty(givenOperationRole)
      ? operationRole.id
      : subscriptionResourceId('Microsoft.Authorization/roleDefinitions', givenOperationRole)
    description: mark
  }
}

@description('ARM id of the role for clusters; empty if another is given.')
output clusterRoleId string = empty(givenClusterRole) ? clusterRole.id : ''

@description('ARM id of the role for operations; empty if another is given.')
output operationRoleId string = empty(givenOperationRole) ? operationRole.id : ''

@description('ARM id of the right to follow operations.')
output accessId string = access.id

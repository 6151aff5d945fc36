// The role for storage accounts in one subscription: to see which key encrypts them, and which of them workspaces are
// linked to. It reads the settings of accounts, no keys of theirs and nothing that lies in them.
targetScope = 'subscription'

@description('Tells this installation\'s roles from others.')
param token string

@description('Name of the role that is given instead; empty for one of our own.')
param givenRole string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (empty(givenRole)) {
  name: guid(toLower(subscription().id), token, 'storage')
  properties: {
    roleName: 'CMK rotation: storage (${uniqueString(toLower(subscription().id), token)})'
    description: 'Read the settings of storage accounts, and which of them workspaces are linked to. ${mark}'
    type: 'CustomRole'
    assignableScopes: ['/subscriptions/${subscription().subscriptionId}']
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/read'
          'Microsoft.OperationalInsights/workspaces/linkedStorageAccounts/read'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

@description('ARM id; empty if another role is given.')
output id string = empty(givenRole) ? role.id : ''

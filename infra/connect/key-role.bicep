// The role for keys in one subscription: to see which versions a key has, and nothing that uses or changes one.
targetScope = 'subscription'

@description('Tells this installation\'s roles from others.')
param token string

@description('Name of the role that is given instead; empty for one of our own.')
param givenRole string

@description('Says whose this is, in descriptions: hooks/belongings.py knows its own by it, never by a name.')
param mark string

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (empty(givenRole)) {
  name: guid(toLower(subscription().id), token, 'keys')
  properties: {
    roleName: 'CMK rotation: keys (${uniqueString(toLower(subscription().id), token)})'
    description: 'List the versions of keys. ${mark}'
    type: 'CustomRole'
    assignableScopes: ['/subscriptions/${subscription().subscriptionId}']
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: ['Microsoft.KeyVault/vaults/keys/read']
        notDataActions: []
      }
    ]
  }
}

@description('ARM id; empty if another role is given.')
output id string = empty(givenRole) ? role.id : ''

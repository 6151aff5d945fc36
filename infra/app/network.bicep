// A virtual network for the app: one subnet that it calls from, one for private endpoints.

@description('Name of the virtual network.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Whether the app runs on Flex Consumption, whose subnet is delegated to another service than Premium\'s.')
param flex bool

// The rules that every group has by itself: from outside comes nothing, and the app calls whom it likes.
resource appRules 'Microsoft.Network/networkSecurityGroups@2023-04-01' = {
  name: '${name}-app'
  location: location
  tags: tags
  properties: { securityRules: [] }
}

resource endpointRules 'Microsoft.Network/networkSecurityGroups@2023-04-01' = {
  name: '${name}-endpoints'
  location: location
  tags: tags
  properties: { securityRules: [] }
}

resource network 'Microsoft.Network/virtualNetworks@2023-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.0.0.0/24'] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '10.0.0.0/26'
          networkSecurityGroup: { id: appRules.id }
          // The app calls Azure's public addresses. What a subnet does that is not told has changed in 2026.
          defaultOutboundAccess: true
          delegations: [
            {
              name: 'app'
              properties: { serviceName: flex ? 'Microsoft.App/environments' : 'Microsoft.Web/serverFarms' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.0.0.64/26'
          networkSecurityGroup: { id: endpointRules.id }
          // Endpoints call nobody.
          defaultOutboundAccess: false
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }

  resource app 'subnets' existing = {
    name: 'app'
  }

  resource endpoints 'subnets' existing = {
    name: 'endpoints'
  }
}

@description('ARM id.')
output id string = network.id

@description('ARM id of the subnet that the app calls from.')
output appSubnetId string = network::app.id

@description('ARM id of the subnet for private endpoints.')
output endpointSubnetId string = network::endpoints.id

// A virtual network for the app: one subnet that it calls from, one with private endpoints of its storage and the vaults.
// Until a vault's owner has approved its endpoint's connection, the app does not reach that vault.

@description('Name of the virtual network.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Whether the app runs on Flex Consumption, whose subnet is delegated to another service than Premium\'s.')
param flex bool

@description('ARM id of the app\'s storage account.')
param storageId string

@description('ARM ids of the key vaults, each once.')
param vaultIds string[]

@description('Whether the vaults\' owners approve the endpoints\' connections by hand.')
param vaultOwnersApprove bool

var vaultZone = 'privatelink.vaultcore${replace(environment().suffixes.keyvaultDns, '.vault', '')}'
var services = ['blob', 'queue', 'table']
var storageZones = map(services, service => 'privatelink.${service}.${environment().suffixes.storage}')
var storageEndpoints = map(range(0, 3), place => {
  name: services[place]
  target: storageId
  group: services[place]
  zone: place
  byHand: false
})
var vaultEndpoints = map(vaultIds, id => {
  name: 'vault-${uniqueString(toLower(id))}'
  target: id
  group: 'vault'
  zone: 3
  byHand: vaultOwnersApprove
})
var zoneNames = concat(storageZones, [vaultZone])
var endpointList = concat(storageEndpoints, vaultEndpoints)

func connectionsTo(endpoint object) array => [
  {
    name: endpoint.name
    properties: {
      privateLinkServiceId: endpoint.target
      groupIds: [endpoint.group]
      requestMessage: 'cmk-rotation reads which versions keys have, and keeps its records.'
    }
  }
]

resource network 'Microsoft.Network/virtualNetworks@2023-04-01' = {
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
        properties: { addressPrefix: '10.0.0.64/26', privateEndpointNetworkPolicies: 'Disabled' }
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

resource zones 'Microsoft.Network/privateDnsZones@2020-06-01' = [
  for zone in zoneNames: {
    name: zone
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [
  for (zone, place) in zoneNames: {
    parent: zones[place]
    name: name
    location: 'global'
    tags: tags
    properties: { registrationEnabled: false, virtualNetwork: { id: network.id } }
  }
]

// One at a time: an account or a subnet refuses two that are made at once.
@batchSize(1)
resource privateEndpoints 'Microsoft.Network/privateEndpoints@2023-04-01' = [
  for endpoint in endpointList: {
    name: 'pe-${endpoint.name}'
    location: location
    tags: tags
    properties: {
      subnet: { id: network::endpoints.id }
      privateLinkServiceConnections: endpoint.byHand ? [] : connectionsTo(endpoint)
      manualPrivateLinkServiceConnections: endpoint.byHand ? connectionsTo(endpoint) : []
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2023-04-01' = [
  for (endpoint, place) in endpointList: {
    parent: privateEndpoints[place]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        {
          name: endpoint.group
          properties: { privateDnsZoneId: zones[endpoint.zone].id }
        }
      ]
    }
  }
]

@description('ARM id of the subnet that the app calls from.')
output appSubnetId string = network::app.id

// Private endpoints of the app's storage and the vaults, and the zones by which their addresses are found. Until a vault's owner
// has approved its endpoint's connection, the app does not reach that vault.

@description('Name of the zones\' links to the network.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('ARM id of the subnet that the endpoints are in.')
param subnetId string

@description('Whether there are private DNS zones of our own.')
param ownZones bool

@description('ARM id of the virtual network that looks into these zones; empty if there are none.')
param networkId string

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
var endpointList = concat(storageEndpoints, vaultEndpoints)
// Where zones are a hub's, somebody there, or a policy, writes the endpoints' addresses into them.
var zoneNames = ownZones ? concat(storageZones, [vaultZone]) : []
var recordList = ownZones ? endpointList : []

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
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
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
      subnet: { id: subnetId }
      privateLinkServiceConnections: endpoint.byHand ? [] : connectionsTo(endpoint)
      manualPrivateLinkServiceConnections: endpoint.byHand ? connectionsTo(endpoint) : []
    }
  }
]

resource records 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2023-04-01' = [
  for (endpoint, place) in recordList: {
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

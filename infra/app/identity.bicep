// The identity that the app does everything with.

@description('Name of the identity.')
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

@description('ARM id.')
output id string = identity.id

@description('Client id, by which the app names it.')
output clientId string = identity.properties.clientId

@description('Object id, by which roles are assigned.')
output principalId string = identity.properties.principalId

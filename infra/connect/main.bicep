// What the app needs outside its own resource group: rights on clusters and vaults, and Key Vault's events.
//
// hooks/connections.py deploys this after the code, when the function exists, finds out what the parameters ask for, and
// undoes it before `azd down`. It can be run again at any time.
targetScope = 'subscription'

type clusterGroup = {
  @description('Id of the subscription.')
  subscription: string

  @description('Name of the resource group.')
  group: string
}

type singleCluster = {
  @description('Id of the subscription.')
  subscription: string

  @description('Name of the resource group.')
  group: string

  @description('Name of the cluster.')
  name: string
}

type keyVault = {
  @description('Id of the subscription.')
  subscription: string

  @description('Name of the resource group.')
  group: string

  @description('Name of the key vault.')
  name: string

  @description('Region of the key vault, in which its system topic must be.')
  location: string

  @description('ARM id of the system topic that it already has; empty if it is to get one. A vault can have only one.')
  topicId: string

  @description('Object id of that topic\'s system-assigned identity; empty if there is no topic yet.')
  topicPrincipalId: string
}

@minLength(1)
@description('Name of the azd environment.')
param environmentName string

@minLength(1)
@description('Object id of the app\'s identity.')
param principalId string

@minLength(1)
@description('ARM id of the function app.')
param functionAppId string

@minLength(1)
@description('ARM id of the storage account that keeps dead letters.')
param storageAccountId string

@minLength(1)
@description('ARM id of the workspace that keeps the app\'s logs.')
param workspaceId string

@minLength(1)
@description('ARM id of the action group that alerts call.')
param actionGroupId string

@description('Ids of all subscriptions that hold clusters in scope.')
param clusterSubscriptions string[]

@description('Ids of the subscriptions that are in scope as a whole.')
param subscriptions string[]

@description('Resource groups in scope.')
param groups clusterGroup[]

@description('Single clusters in scope.')
param clusters singleCluster[]

@description('Key vaults that hold the clusters\' keys.')
param vaults keyVault[]

var token = uniqueString(functionAppId)
var vaultSubscriptions = union(map(vaults, item => item.subscription), [])

module clusterRoles 'cluster-roles.bicep' = [
  for id in clusterSubscriptions: {
    name: 'cmk-rotation-cluster-roles-${token}'
    scope: subscription(id)
    params: { token: token, principalId: principalId }
  }
]

module keyRoles 'key-role.bicep' = [
  for id in vaultSubscriptions: {
    name: 'cmk-rotation-key-role-${token}'
    scope: subscription(id)
    params: { token: token }
  }
]

module subscriptionAccess 'subscription-access.bicep' = [
  for id in subscriptions: {
    name: 'cmk-rotation-access-${token}'
    scope: subscription(id)
    params: { principalId: principalId, token: token }
    dependsOn: [clusterRoles]
  }
]

module groupAccess 'group-access.bicep' = [
  for item in groups: {
    name: 'cmk-rotation-access-${token}'
    scope: resourceGroup(item.subscription, item.group)
    params: { principalId: principalId, token: token }
    dependsOn: [clusterRoles]
  }
]

module clusterAccess 'cluster-access.bicep' = [
  for item in clusters: {
    name: 'cmk-rotation-access-${uniqueString(token, item.name)}'
    scope: resourceGroup(item.subscription, item.group)
    params: { clusterName: item.name, principalId: principalId, token: token }
    dependsOn: [clusterRoles]
  }
]

module keyVaults 'vault.bicep' = [
  for item in vaults: {
    name: 'cmk-rotation-vault-${uniqueString(token, item.name)}'
    scope: resourceGroup(item.subscription, item.group)
    params: {
      vaultName: item.name
      location: item.location
      existingTopicId: item.topicId
      existingTopicPrincipalId: item.topicPrincipalId
      environmentName: environmentName
      token: token
      principalId: principalId
      functionAppId: functionAppId
      storageAccountId: storageAccountId
      workspaceId: workspaceId
      actionGroupId: actionGroupId
    }
    dependsOn: [keyRoles]
  }
]

// What is to be removed again, in this order.
@description('Event subscriptions.')
output eventSubscriptions string[] = [for (item, place) in vaults: keyVaults[place].outputs.eventSubscriptionId]

@description('Diagnostic settings of the system topics.')
output diagnosticSettings string[] = [for (item, place) in vaults: keyVaults[place].outputs.diagnosticSettingId]

@description('Alerts on dead letters.')
output deadLetterAlerts string[] = [for (item, place) in vaults: keyVaults[place].outputs.alertIds[0]]

@description('Alerts on dropped events.')
output droppedEventAlerts string[] = [for (item, place) in vaults: keyVaults[place].outputs.alertIds[1]]

@description('System topics; empty where one was there before.')
output systemTopics string[] = [for (item, place) in vaults: keyVaults[place].outputs.createdTopicId]

@description('Rights on vaults.')
output vaultAccess string[] = [for (item, place) in vaults: keyVaults[place].outputs.accessId]

@description('Rights on subscriptions.')
output subscriptionAccess string[] = [for (id, place) in subscriptions: subscriptionAccess[place].outputs.id]

@description('Rights on resource groups.')
output groupAccess string[] = [for (item, place) in groups: groupAccess[place].outputs.id]

@description('Rights on clusters.')
output clusterAccess string[] = [for (item, place) in clusters: clusterAccess[place].outputs.id]

@description('Rights to follow operations.')
output operationAccess string[] = [for (id, place) in clusterSubscriptions: clusterRoles[place].outputs.accessId]

@description('Roles for clusters.')
output clusterRoles string[] = [for (id, place) in clusterSubscriptions: clusterRoles[place].outputs.clusterRoleId]

@description('Roles for operations.')
output operationRoles string[] = [for (id, place) in clusterSubscriptions: clusterRoles[place].outputs.operationRoleId]

@description('Roles for keys.')
output keyRoles string[] = [for (id, place) in vaultSubscriptions: keyRoles[place].outputs.id]

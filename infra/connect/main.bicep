// What the app needs outside its own resource group: rights on clusters, vaults and storage accounts, and Key Vault's events.
//
// hooks/connect.py deploys this after the code, when the function exists, and finds out what the parameters ask for;
// hooks/disconnect.py undoes it before `azd down`. It can be run again at any time. The hook gives every scope and vault
// once; names of nested deployments follow from the scope in lower case, so that two of them never have one name.
targetScope = 'subscription'

type groupInScope = {
  @description('Id of the subscription.')
  subscription: string

  @description('Name of the resource group.')
  group: string
}

type resourceInScope = {
  @description('Id of the subscription.')
  subscription: string

  @description('Name of the resource group.')
  group: string

  @description('Name of the cluster or storage account.')
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

@description('Whether Event Grid reaches that account.')
param deadLetters bool

@minLength(1)
@description('ARM id of the workspace that keeps the app\'s logs.')
param workspaceId string

@minLength(1)
@description('ARM id of the Application Insights component.')
param insightsId string

@description('ARM id of the private link scope that leads to the app\'s logs; empty if they have public access.')
param privateLinkScopeId string

@description('ARM ids of the action groups that alerts call.')
param actionGroupIds string[]

@description('Ids of all subscriptions that hold clusters in scope.')
param clusterSubscriptions string[]

@description('Ids of the subscriptions that are in scope as a whole.')
param subscriptions string[]

@description('Resource groups in scope.')
param groups groupInScope[]

@description('Single clusters in scope.')
param clusters resourceInScope[]

@description('Ids of the subscriptions whose storage accounts are all in scope.')
param storageSubscriptions string[]

@description('Resource groups whose storage accounts are all in scope.')
param storageGroups groupInScope[]

@description('Single storage accounts in scope.')
param storageAccounts resourceInScope[]

@description('Key vaults that hold the clusters\' keys.')
param vaults keyVault[]

@description('Name of a role that is there for clusters; empty for one of our own, as with the next three.')
param clusterRole string

@description('Name of a role that is there for operations.')
param operationRole string

@description('Name of a role that is there for keys.')
param keyRole string

@description('Name of a role that is there for storage accounts.')
param storageRole string

@description('Tags for everything that is made and takes tags, by name.')
param extraTags object

var token = uniqueString(toLower(functionAppId))
// Ours is what names this function app: in a description, or in a tag. Names are for people.
var mark = 'cmk-rotation:${toLower(functionAppId)}'
var ourTags = { 'cmk-rotation-app': toLower(functionAppId), 'cmk-rotation-environment': environmentName }
var tags = union(extraTags, ourTags)

// Each thing once: ids in two casings are one, and so is a region with and without blanks. As texts, because of these it is
// sure that union takes two equal ones for one.
var vaultsAsGiven = map(
  vaults,
  item => '${item.subscription}|${item.group}|${item.name}|${item.location}|${item.topicId}|${item.topicPrincipalId}'
)
var vaultTexts = union(map(vaultsAsGiven, text => replace(toLower(text), ' ', '')), [])
var groupTexts = union(map(groups, item => toLower('${item.subscription}|${item.group}')), [])
var clusterTexts = union(map(clusters, item => toLower('${item.subscription}|${item.group}|${item.name}')), [])
var storageGroupTexts = union(map(storageGroups, item => toLower('${item.subscription}|${item.group}')), [])
var accountTexts = union(map(storageAccounts, item => toLower('${item.subscription}|${item.group}|${item.name}')), [])
var everySubscription = union(map(clusterSubscriptions, id => toLower(id)), [])
var wholeSubscriptions = union(map(subscriptions, id => toLower(id)), [])
var wholeStorage = union(map(storageSubscriptions, id => toLower(id)), [])
var everyGroup = map(groupTexts, text => { subscription: split(text, '|')[0], group: split(text, '|')[1] })
var everyCluster = map(clusterTexts, text => {
  subscription: split(text, '|')[0]
  group: split(text, '|')[1]
  name: split(text, '|')[2]
})
var everyStorageGroup = map(storageGroupTexts, text => {
  subscription: split(text, '|')[0]
  group: split(text, '|')[1]
})
var everyAccount = map(accountTexts, text => {
  subscription: split(text, '|')[0]
  group: split(text, '|')[1]
  name: split(text, '|')[2]
})
var everyVault = map(vaultTexts, text => {
  subscription: split(text, '|')[0]
  group: split(text, '|')[1]
  name: split(text, '|')[2]
  location: split(text, '|')[3]
  topicId: split(text, '|')[4]
  topicPrincipalId: split(text, '|')[5]
})
// Of something that may be empty, a loop never takes parts that are not there.
var linkScopes = filter([privateLinkScopeId], id => !empty(id))
var vaultSubscriptions = union(map(everyVault, item => item.subscription), [])
var groupsAndAccounts = concat(storageGroupTexts, accountTexts)
var accountSubscriptions = union(wholeStorage, map(groupsAndAccounts, text => split(text, '|')[0]))

module clusterRoles 'cluster-roles.bicep' = [
  for id in everySubscription: {
    name: 'cmk-rotation-cluster-roles-${token}'
    scope: subscription(id)
    params: {
      token: token
      mark: mark
      principalId: principalId
      givenClusterRole: clusterRole
      givenOperationRole: operationRole
    }
  }
]

module keyRoles 'key-role.bicep' = [
  for id in vaultSubscriptions: {
    name: 'cmk-rotation-key-role-${token}'
    scope: subscription(id)
    params: { token: token, mark: mark, givenRole: keyRole }
  }
]

module storageRoles 'storage-role.bicep' = [
  for id in accountSubscriptions: {
    name: 'cmk-rotation-storage-role-${token}'
    scope: subscription(id)
    params: { token: token, mark: mark, givenRole: storageRole }
  }
]

module subscriptionAccess 'subscription-access.bicep' = [
  for id in wholeSubscriptions: {
    name: 'cmk-rotation-access-${token}'
    scope: subscription(id)
    params: {
      principalId: principalId
      token: token
      mark: mark
      kindOfRole: 'clusters'
      givenRole: clusterRole
    }
    dependsOn: [clusterRoles]
  }
]

module groupAccess 'group-access.bicep' = [
  for item in everyGroup: {
    name: 'cmk-rotation-group-${token}'
    scope: resourceGroup(item.subscription, item.group)
    params: {
      principalId: principalId
      token: token
      mark: mark
      kindOfRole: 'clusters'
      givenRole: clusterRole
    }
    dependsOn: [clusterRoles]
  }
]

module clusterAccess 'cluster-access.bicep' = [
  for item in everyCluster: {
    name: 'cmk-rotation-cluster-${uniqueString(token, item.name)}'
    scope: resourceGroup(item.subscription, item.group)
    params: {
      clusterName: item.name
      principalId: principalId
      token: token
      mark: mark
      givenRole: clusterRole
    }
    dependsOn: [clusterRoles]
  }
]

module storageSubscriptionAccess 'subscription-access.bicep' = [
  for id in wholeStorage: {
    name: 'cmk-rotation-storage-${token}'
    scope: subscription(id)
    params: {
      principalId: principalId
      token: token
      mark: mark
      kindOfRole: 'storage'
      givenRole: storageRole
    }
    dependsOn: [storageRoles]
  }
]

module storageGroupAccess 'group-access.bicep' = [
  for item in everyStorageGroup: {
    name: 'cmk-rotation-storage-group-${token}'
    scope: resourceGroup(item.subscription, item.group)
    params: {
      principalId: principalId
      token: token
      mark: mark
      kindOfRole: 'storage'
      givenRole: storageRole
    }
    dependsOn: [storageRoles]
  }
]

module storageAccess 'storage-access.bicep' = [
  for item in everyAccount: {
    name: 'cmk-rotation-storage-${uniqueString(token, item.name)}'
    scope: resourceGroup(item.subscription, item.group)
    params: {
      accountName: item.name
      principalId: principalId
      token: token
      mark: mark
      givenRole: storageRole
    }
    dependsOn: [storageRoles]
  }
]

module keyVaults 'vault.bicep' = [
  for item in everyVault: {
    name: 'cmk-rotation-vault-${uniqueString(token, item.name)}'
    scope: resourceGroup(item.subscription, item.group)
    params: {
      vaultName: item.name
      location: item.location
      existingTopicId: item.topicId
      existingTopicPrincipalId: item.topicPrincipalId
      tags: tags
      token: token
      mark: mark
      givenRole: keyRole
      principalId: principalId
      functionAppId: functionAppId
      storageAccountId: storageAccountId
      deadLetters: deadLetters
      workspaceId: workspaceId
      actionGroupIds: actionGroupIds
    }
    dependsOn: [keyRoles]
  }
]

module privateLink 'private-link.bicep' = [
  for id in linkScopes: {
    name: 'cmk-rotation-private-link-${token}'
    scope: resourceGroup(split(id, '/')[2], split(id, '/')[4])
    params: { scopeName: last(split(id, '/')), token: token, workspaceId: workspaceId, insightsId: insightsId }
  }
]

// What this installation has now. Whatever else carries its mark is what an earlier run made, and the hook removes that.
@description('Event subscriptions.')
output eventSubscriptions string[] = [for (item, place) in everyVault: keyVaults[place].outputs.eventSubscriptionId]

@description('Diagnostic settings of the system topics.')
output diagnosticSettings string[] = [for (item, place) in everyVault: keyVaults[place].outputs.diagnosticSettingId]

@description('Alerts on dead letters.')
output deadLetterAlerts string[] = [for (item, place) in everyVault: keyVaults[place].outputs.alertIds[0]]

@description('Alerts on dropped events.')
output droppedEventAlerts string[] = [for (item, place) in everyVault: keyVaults[place].outputs.alertIds[1]]

@description('Rights of the topics to leave dead letters.')
output deadLetterAccess string[] = [for (item, place) in everyVault: keyVaults[place].outputs.deadLetterAccessId]

@description('System topics; empty where one was there before.')
output systemTopics string[] = [for (item, place) in everyVault: keyVaults[place].outputs.createdTopicId]

@description('The workspace in a private link scope.')
output workspaceLinks string[] = [for (id, place) in linkScopes: privateLink[place].outputs.workspaceLinkId]

@description('The component in a private link scope.')
output insightsLinks string[] = [for (id, place) in linkScopes: privateLink[place].outputs.insightsLinkId]

@description('Rights on vaults.')
output vaultAccess string[] = [for (item, place) in everyVault: keyVaults[place].outputs.accessId]

@description('Rights on subscriptions.')
output subscriptionAccess string[] = [for (id, place) in wholeSubscriptions: subscriptionAccess[place].outputs.id]

@description('Rights on resource groups.')
output groupAccess string[] = [for (item, place) in everyGroup: groupAccess[place].outputs.id]

@description('Rights on clusters.')
output clusterAccess string[] = [for (item, place) in everyCluster: clusterAccess[place].outputs.id]

@description('Rights on subscriptions\' storage accounts.')
output storageSubscriptionAccess string[] = [
  for (id, place) in wholeStorage: storageSubscriptionAccess[place].outputs.id
]

@description('Rights on resource groups\' storage accounts.')
output storageGroupAccess string[] = [for (item, place) in everyStorageGroup: storageGroupAccess[place].outputs.id]

@description('Rights on storage accounts.')
output storageAccess string[] = [for (item, place) in everyAccount: storageAccess[place].outputs.id]

@description('Rights to follow operations.')
output operationAccess string[] = [for (id, place) in everySubscription: clusterRoles[place].outputs.accessId]

@description('Roles for clusters.')
output clusterRoles string[] = [for (id, place) in everySubscription: clusterRoles[place].outputs.clusterRoleId]

@description('Roles for operations.')
output operationRoles string[] = [for (id, place) in everySubscription: clusterRoles[place].outputs.operationRoleId]

@description('Roles for storage accounts.')
output storageRoles string[] = [for (id, place) in accountSubscriptions: storageRoles[place].outputs.id]

@description('Roles for keys.')
output keyRoles string[] = [for (id, place) in vaultSubscriptions: keyRoles[place].outputs.id]

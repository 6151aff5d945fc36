// A workspace of the app's own, and Application Insights in it. A new workspace is linked to no cluster, so a cluster that
// loses its key does not take the evidence with it; hooks/connections.py and the app itself check that it stays so.

@description('Name of the workspace.')
param workspaceName string

@description('Name of the Application Insights component.')
param insightsName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Days that logs are kept.')
param retentionDays int

@description('Whether the component takes telemetry from an identity alone.')
param telemetryByIdentity bool

@description('Whether both take and show logs outside a private link scope.')
param publicAccess bool

@description('ARM id of a storage account that keeps the queries of log alerts; empty for Azure\'s own.')
param alertsStorageId string

@description('ARM id of an identity that is there, by which the workspace reaches that account; empty for none.')
param identityId string

@description('Object id of the app\'s identity, which sends telemetry.')
param principalId string

var linked = !empty(alertsStorageId)
var access = publicAccess ? 'Enabled' : 'Disabled'
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: workspaceName
  location: location
  tags: tags
  identity: empty(identityId) ? null : { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: retentionDays
    features: { disableLocalAuth: true }
    publicNetworkAccessForIngestion: access
    publicNetworkAccessForQuery: access
  }
}

resource queries 'Microsoft.OperationalInsights/workspaces/linkedStorageAccounts@2023-09-01' = if (linked) {
  parent: workspace
  name: 'Alerts'
  properties: { storageAccountIds: [alertsStorageId] }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: insightsName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: telemetryByIdentity
    publicNetworkAccessForIngestion: access
    publicNetworkAccessForQuery: access
  }
}

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(toLower(insights.id), principalId, monitoringMetricsPublisher)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}

@description('ARM id of the workspace.')
output workspaceId string = workspace.id

@description('ARM id of the component.')
output insightsId string = insights.id

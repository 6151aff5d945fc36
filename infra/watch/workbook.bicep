// The workbook: a tile for each of the six questions of docs/runbook.md, and the app's health.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('ARM id of the workspace with the app\'s logs.')
param workspaceId string

@description('ARM id of a blob container that keeps what the workbook says; empty for Azure\'s own storage.')
param storageId string

@description('ARM id of an identity that is there, by which that container is reached; empty for none.')
param identityId string

var tiles = [
  {
    title: 'Which version is each cluster on, and is it the newest?'
    query: loadTextContent('../queries/clusters.kql')
    shown: 'table'
  }
  {
    title: 'Did a rotation reach all clusters, and when?'
    query: loadTextContent('../queries/rotations.kql')
    shown: 'table'
  }
  {
    title: 'Why not, and what is to be done?'
    query: loadTextContent('../queries/attention.kql')
    shown: 'table'
  }
  {
    title: 'What is under way, or stuck?'
    query: loadTextContent('../queries/under-way.kql')
    shown: 'table'
  }
  {
    title: 'When may an old version be disabled? (Not before, and not while the vault\'s audit log shows its use.)'
    query: loadTextContent('../queries/old-versions.kql')
    shown: 'table'
  }
  {
    title: 'Is the app alive?'
    query: loadTextContent('../queries/alive.kql')
    shown: 'table'
  }
  {
    title: 'Keys that expire soon, and old versions disabled early'
    query: loadTextContent('../queries/keys-at-risk.kql')
    shown: 'table'
  }
  {
    title: 'Minutes from an update to its proof'
    query: loadTextContent('../queries/time-to-verify.kql')
    shown: 'timechart'
  }
  {
    title: 'Looks at all clusters'
    query: loadTextContent('../queries/looks.kql')
    shown: 'timechart'
  }
  {
    title: 'Trouble of the app itself'
    query: loadTextContent('../queries/trouble.kql')
    shown: 'table'
  }
  {
    title: 'What Key Vault told'
    query: loadTextContent('../queries/key-events.kql')
    shown: 'table'
  }
  {
    title: 'Events that Event Grid could not deliver'
    query: loadTextContent('../queries/delivery-failures.kql')
    shown: 'table'
  }
]
var days = [1, 7, 30, 90, 365]
var timeRange = {
  type: 9
  name: 'parameters'
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
    parameters: [
      {
        id: guid('TimeRange')
        version: 'KqlParameterItem/1.0'
        name: 'TimeRange'
        label: 'Time range'
        type: 4
        isRequired: true
        value: { durationMs: 90 * 86400000 }
        typeSettings: { selectableValues: map(days, day => { durationMs: day * 86400000 }), allowCustom: true }
      }
    ]
  }
}
var items = map(tiles, tile => {
  type: 3
  name: tile.title
  content: {
    version: 'KqlItem/1.0'
    title: tile.title
    query: tile.query
    size: 0
    timeContextFromParameter: 'TimeRange'
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
    visualization: tile.shown
    noDataMessage: 'Nothing in this time.'
    showExportToExcel: true
  }
})

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(toLower(workspaceId), 'cmk-rotation')
  location: location
  tags: tags
  kind: 'shared'
  identity: empty(storageId) ? null : { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    displayName: 'CMK rotation'
    category: 'workbook'
    sourceId: workspaceId
    storageUri: empty(storageId) ? null : storageId
    serializedData: string({
      version: 'Notebook/1.0'
      items: concat([timeRange], items)
      fallbackResourceIds: [workspaceId]
      '$schema': 'https://github.com/Microsoft/Application-Insights-Workbooks/blob/master/schema/workbook.json'
    })
  }
}

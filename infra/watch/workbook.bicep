// The workbook: a tile for each of the six questions of docs/runbook.md, and the app's health.

@description('Name: a GUID.')
param name string

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

// What the parameters leave of a tile's rows.
var onKey = '| where Key contains \'{Key}\'\n'
var onKeyAndVersion = '${onKey}| where Version contains \'{Version}\'\n'
var toVersion = '${onKey}| where ToVersion contains \'{Version}\'\n'
var oldVersion = '${onKey}| where OldVersion contains \'{Version}\'\n'
var tiles = [
  {
    title: 'Which version is each cluster on, and is it the newest?'
    query: loadTextContent('../queries/clusters.kql')
    narrowed: onKeyAndVersion
    shown: 'table'
  }
  {
    title: 'Did a rotation reach all clusters, and when?'
    query: loadTextContent('../queries/rotations.kql')
    narrowed: toVersion
    shown: 'table'
  }
  {
    title: 'Why not, and what is to be done?'
    query: loadTextContent('../queries/attention.kql')
    narrowed: onKey
    shown: 'table'
  }
  {
    title: 'What is under way, or stuck?'
    query: loadTextContent('../queries/under-way.kql')
    narrowed: toVersion
    shown: 'table'
  }
  {
    title: 'When may an old version be disabled? (Not before, and not while the vault\'s audit log shows its use.)'
    query: loadTextContent('../queries/old-versions.kql')
    narrowed: oldVersion
    shown: 'table'
  }
  {
    title: 'Is the app alive?'
    query: loadTextContent('../queries/alive.kql')
    narrowed: ''
    shown: 'table'
  }
  {
    title: 'Keys that expire soon, and old versions disabled early'
    query: loadTextContent('../queries/keys-at-risk.kql')
    narrowed: onKeyAndVersion
    shown: 'table'
  }
  {
    title: 'Minutes from an update to its proof, by day: of half of them, of 95 in 100, and of the slowest'
    query: loadTextContent('../queries/time-to-verify.kql')
    narrowed: ''
    shown: 'timechart'
  }
  {
    title: 'Looks at all clusters'
    query: loadTextContent('../queries/looks.kql')
    narrowed: ''
    shown: 'timechart'
  }
  {
    title: 'Trouble of the app itself'
    query: loadTextContent('../queries/trouble.kql')
    narrowed: ''
    shown: 'table'
  }
  {
    title: 'What Key Vault told'
    query: loadTextContent('../queries/key-events.kql')
    narrowed: ''
    shown: 'table'
  }
  {
    title: 'Events that Event Grid could not deliver'
    query: loadTextContent('../queries/delivery-failures.kql')
    narrowed: ''
    shown: 'table'
  }
]
var days = [1, 7, 30, 90, 365]
// Parameters of one text each: what a column must hold, and all if it is left empty.
var named = ['Key', 'Version']
var timeRange = {
  type: 9
  name: 'parameters'
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
    parameters: concat([
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
    ], map(named, name => {
      id: guid(name)
      version: 'KqlParameterItem/1.0'
      name: name
      label: '${name} has'
      type: 1
      isRequired: false
      value: ''
    }))
  }
}
var items = map(tiles, tile => {
  type: 3
  name: tile.title
  content: {
    version: 'KqlItem/1.0'
    title: tile.title
    query: '${tile.query}${tile.narrowed}'
    size: 0
    timeContextFromParameter: 'TimeRange'
    queryType: 0
    resourceType: 'microsoft.operationalinsights/workspaces'
    visualization: tile.shown
    gridSettings: { rowLimit: 10000 }
    noDataMessage: 'Nothing in this time.'
    showExportToExcel: true
  }
})

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: name
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

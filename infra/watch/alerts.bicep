// What calls a person. Severities: 0 data is lost or about to be, now; 1 a rotation does not happen or nobody would
// know; 2 it will need a person soon; 3 look when there is time. docs/runbook.md has a section for each.
//
// No storms: the app says most things once, or once a day. A rule for such lines fires once for each cluster and reason and
// is then mute; one for a state that is said again and again (stateful) fires once, and resolves when it is over.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('ARM id of the workspace with the app\'s logs.')
param workspaceId string

@description('ARM id of the action group.')
param actionGroupId string

@description('Whether the queries are kept in storage that the workspace is linked to.')
param ownStorage bool

@description('Minutes between two looks at every cluster.')
param reconcileEveryMinutes int

var aboutCluster = ['ClusterId', 'Reason']
var rules = [
  {
    name: 'key-lost'
    severity: 0
    what: 'A cluster cannot use its key: the version in use is disabled or gone. New logs are being lost.'
    query: loadTextContent('../queries/alert-key-lost.kql')
    dimensions: aboutCluster
    stateful: false
    window: 'PT15M'
  }
  {
    name: 'old-version-disabled-early'
    severity: 0
    what: 'The old version of a key was disabled before its time. Storage may still use it.'
    query: loadTextContent('../queries/alert-old-version-disabled-early.kql')
    dimensions: aboutCluster
    stateful: false
    window: 'PT15M'
  }
  {
    name: 'rotation-failed'
    severity: 1
    what: 'A cluster did not move to the new version of its key: the update failed or was refused.'
    query: loadTextContent('../queries/alert-rotation-failed.kql')
    dimensions: aboutCluster
    stateful: false
    window: 'PT15M'
  }
  {
    name: 'update-overdue'
    severity: 1
    what: 'An update has not ended within its deadline.'
    query: loadTextContent('../queries/alert-update-overdue.kql')
    dimensions: aboutCluster
    stateful: false
    window: 'PT15M'
  }
  {
    name: 'silent'
    severity: 1
    what: 'The app has not looked at the clusters for three periods. No rotation propagates, and nobody would be told.'
    query: loadTextContent('../queries/alert-silent.kql')
    dimensions: []
    stateful: true
    window: 'PT${3 * reconcileEveryMinutes}M'
  }
  {
    name: 'settings-invalid'
    severity: 1
    what: 'The app settings make no sense, so the app does nothing.'
    query: loadTextContent('../queries/alert-settings-invalid.kql')
    dimensions: []
    stateful: true
    window: 'PT1H'
  }
  {
    name: 'reconcile-failed'
    severity: 1
    what: 'A scope could not be read or holds no cluster, or the app\'s own logs are at risk.'
    query: loadTextContent('../queries/alert-reconcile-failed.kql')
    dimensions: []
    stateful: true
    window: 'PT1H'
  }
  {
    name: 'cluster-attention'
    severity: 2
    what: 'Something holds a cluster back and needs a person.'
    query: loadTextContent('../queries/alert-cluster-attention.kql')
    dimensions: aboutCluster
    stateful: false
    window: 'PT15M'
  }
  {
    name: 'key-expiring'
    severity: 2
    what: 'The version that a cluster uses expires soon. Once it has, Azure refuses to update the cluster.'
    query: loadTextContent('../queries/alert-key-expiring.kql')
    dimensions: aboutCluster
    stateful: false
    window: 'PT15M'
  }
  {
    name: 'visit-failed'
    severity: 2
    what: 'A visit to a cluster failed unexpectedly or was given up, or a cluster or rows of its record cannot be read.'
    query: loadTextContent('../queries/alert-visit-failed.kql')
    dimensions: ['Event']
    stateful: true
    window: 'PT1H'
  }
  {
    name: 'event-rejected'
    severity: 3
    what: 'An event or a message on the queue was not understood.'
    query: loadTextContent('../queries/alert-event-rejected.kql')
    dimensions: ['Event']
    stateful: true
    window: 'PT1H'
  }
]

resource alerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for rule in rules: {
    name: 'cmk-rotation-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'CMK rotation: ${rule.name}'
      description: '${rule.what} Where to look: docs/runbook.md#${rule.name}'
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: rule.window
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            dimensions: map(rule.dimensions, name => { name: name, operator: 'Include', values: ['*'] })
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: rule.stateful
      muteActionsDuration: rule.stateful ? null : 'PT30M'
      checkWorkspaceAlertsStorageConfigured: ownStorage
      // The table has no columns of the app's before its first line.
      skipQueryValidation: true
      actions: { actionGroups: [actionGroupId] }
    }
  }
]

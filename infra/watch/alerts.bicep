// What calls a person. Severities: 0 data is lost or about to be, now; 1 a rotation does not happen or nobody would
// know; 2 it will need a person soon; 3 look when there is time. docs/runbook.md has a section for each.
//
// Each query says what is so now, from the newest lines of two days, and each rule is stateful: it calls once for each
// combination of its dimensions, and resolves when that is no longer so. So nothing depends on how long a line is on its
// way, on which lines come twice, or on when exactly Azure looks; and a line that is lost is made up for by the next that
// says the same. `Day` counts on while something lasts, which is how it calls again, daily; of many things in one row it is the
// date, for the oldest of them may get better. Dimensions are stable words, and
// no query makes more than a hundred combinations: an evaluation with more than 300 fails, and after a hundred
// mails in an hour Azure suspends the address.

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('ARM id of the workspace with the app\'s logs.')
param workspaceId string

@description('ARM id of the resource group that all this is in.')
param groupId string

@description('ARM ids of the action groups.')
param actionGroupIds string[]

@description('Whether the queries are kept in storage that the workspace is linked to.')
param ownStorage bool

@description('Minutes between two looks at every cluster.')
param reconcileEveryMinutes int

@description('Where a person looks first, in the portal.')
param lookAt string

// A function, because of an id in a loop the linter cannot see that it is one.
func call(id string) object => { actionGroupId: id }

// One query for all that is said of clusters: which rule it belongs to is its own column, so each thing belongs to one.
var attention = loadTextContent('../queries/alert-attention.kql')
var rules = [
  {
    name: 'key-lost'
    severity: 0
    what: 'Clusters cannot use their key: the version in use is disabled or gone. New logs are being lost. If no revocation is meant, enable the version, or recover the key, at once.'
    query: '${attention}| where Rule == \'key-lost\'\n'
    dimensions: ['Key', 'Version', 'Reason', 'Day']
  }
  {
    name: 'old-version-disabled-early'
    severity: 0
    what: 'The old version of a key was disabled before its time. Storage may still use it: enable it again, now.'
    query: loadTextContent('../queries/alert-old-version-disabled-early.kql')
    dimensions: ['Key', 'Version', 'Day']
  }
  {
    name: 'rotation-failed'
    severity: 1
    what: 'A cluster did not move to the new version of its key: the update failed or was refused. Keep the old version enabled, and repair what the error names: most often a right.'
    query: '${attention}| where Rule == \'rotation-failed\'\n'
    dimensions: ['Cluster', 'Key', 'Reason', 'Day']
  }
  {
    name: 'update-overdue'
    severity: 1
    what: 'An update has not ended within its deadline. Keep both versions enabled, and look at the cluster\'s activity log.'
    query: '${attention}| where Rule == \'update-overdue\'\n'
    dimensions: ['Cluster', 'Key', 'Reason', 'Day']
  }
  {
    name: 'silent'
    severity: 1
    what: 'The app has not said for three periods that it looked at the clusters. No rotation propagates, and nobody would be told; or only the logs are missing.'
    query: loadTextContent('../queries/alert-silent.kql')
    dimensions: []
  }
  {
    name: 'settings-invalid'
    severity: 1
    what: 'The app settings make no sense, so the app does nothing. Correct what is named: azd env set, then azd provision.'
    query: loadTextContent('../queries/alert-settings-invalid.kql')
    dimensions: ['What', 'Day']
  }
  {
    name: 'scope-failed'
    severity: 1
    what: 'A scope could not be read or holds no cluster: what lies in it is not looked after. Check CLUSTER_SCOPES and the app\'s right to read clusters there.'
    query: loadTextContent('../queries/alert-scope-failed.kql')
    dimensions: ['Scope', 'Code', 'Day']
  }
  {
    name: 'telemetry-at-risk'
    severity: 1
    what: 'The app\'s own logs go to a workspace that is linked to a cluster in scope: a bad key would take the evidence with it. Unlink it.'
    query: loadTextContent('../queries/alert-telemetry-at-risk.kql')
    dimensions: ['Day']
  }
  {
    name: 'cluster-attention'
    severity: 2
    what: 'Something holds a cluster back and needs a person: Reason says what, and the remedy is in the result and in the runbook.'
    query: '${attention}| where Rule == \'cluster-attention\'\n'
    dimensions: ['Cluster', 'Key', 'Reason', 'Day']
  }
  {
    name: 'key-expiring'
    severity: 2
    what: 'The version that clusters use expires soon. Once it has, Azure refuses to update them. Rotate the key, or extend the expiry.'
    query: loadTextContent('../queries/alert-key-expiring.kql')
    dimensions: ['Key', 'Version', 'DaysLeft']
  }
  {
    name: 'visit-failed'
    severity: 2
    what: 'A visit to a cluster failed unexpectedly or was given up, or a cluster, rows of its record or a line of this log cannot be read.'
    query: loadTextContent('../queries/alert-visit-failed.kql')
    dimensions: ['Event', 'Cluster', 'Day']
  }
  {
    name: 'event-rejected'
    severity: 3
    what: 'An event or a message on the queue was not understood. See who else may send to the function or write to the queue.'
    query: loadTextContent('../queries/alert-event-rejected.kql')
    dimensions: ['Event', 'Day']
  }
]
// Silence is the absence of lines of three periods, and of half an hour at least: a line may be a quarter on its way.
var silence = 'PT${max(30, 3 * reconcileEveryMinutes)}M'
var whereToLook = 'Where to look: ${lookAt} and docs/runbook.md'

resource alerts 'Microsoft.Insights/scheduledQueryRules@2022-06-15' = [
  for rule in rules: {
    name: 'cmk-rotation-${rule.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'CMK rotation: ${rule.name}'
      description: '${rule.what} ${whereToLook}#${rule.name}'
      severity: rule.severity
      enabled: true
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: rule.name == 'silent' ? silence : 'P1D'
      overrideQueryTimeRange: rule.name == 'silent' ? silence : 'P2D'
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
      autoMitigate: true
      checkWorkspaceAlertsStorageConfigured: ownStorage
      // The table is not there before the app's first line.
      skipQueryValidation: true
      actions: { actionGroups: actionGroupIds }
    }
  }
]

// Azure switches a rule off for good when its query fails for a week. This watches the rules themselves.
resource disabled 'Microsoft.Insights/activityLogAlerts@2020-10-01' = {
  name: 'cmk-rotation-rule-disabled'
  location: 'global'
  tags: tags
  properties: {
    description: 'An alert rule of this app was switched off, by Azure or by somebody: what it watches is watched no more. ${whereToLook}#rule-disabled'
    enabled: true
    scopes: [groupId]
    condition: {
      allOf: [
        { field: 'category', equals: 'Administrative' }
        { field: 'operationName', equals: 'Microsoft.Insights/ScheduledQueryRules/disable/action' }
      ]
    }
    actions: { actionGroups: map(actionGroupIds, id => call(id)) }
  }
}

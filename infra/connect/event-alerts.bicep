// Events of one vault that did not reach the function. Reconcile finds the rotation all the same, within its period.

@description('Name of the alert.')
param name string

@description('Name of the key vault.')
param vaultName string

@description('ARM id of the vault\'s system topic.')
param topicId string

@description('Name of the event subscription.')
param eventSubscriptionName string

@description('Tags that say whose this is.')
param tags object

@description('ARM ids of the action groups.')
param actionGroupIds string[]

// A function, because of an id in a loop the linter cannot see that it is one.
func call(id string) object => { actionGroupId: id }

var metrics = ['DeadLetteredCount', 'DroppedEventCount']

resource alerts 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for metric in metrics: {
    name: '${name}-${metric}'
    location: 'global'
    tags: tags
    properties: {
      description: 'Events of key vault ${vaultName} did not reach the function on_key_event. Where to look: docs/runbook.md#events-not-delivered'
      severity: 2
      enabled: true
      autoMitigate: true
      scopes: [topicId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          {
            name: metric
            criterionType: 'StaticThresholdCriterion'
            metricNamespace: 'Microsoft.EventGrid/systemTopics'
            metricName: metric
            // A topic that is seconds old has no metrics yet, and the alert would be refused.
            skipMetricValidation: true
            dimensions: [{ name: 'EventSubscriptionName', operator: 'Include', values: [eventSubscriptionName] }]
            operator: 'GreaterThan'
            threshold: 0
            timeAggregation: 'Total'
          }
        ]
      }
      actions: map(actionGroupIds, id => call(id))
    }
  }
]

@description('ARM ids.')
output ids string[] = [for (metric, place) in metrics: alerts[place].id]

// Who is called. Add phones, webhooks or an ITSM connection here: what is added in the portal is gone after the next
// `azd provision`, which writes the group anew.

@description('Name of the action group.')
param name string

@description('Tags.')
param tags object

@description('Email address; empty for none.')
param email string

resource actions 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'cmkrotation'
    emailReceivers: empty(email) ? [] : [{ name: 'email', emailAddress: email, useCommonAlertSchema: true }]
  }
}

@description('ARM id.')
output id string = actions.id

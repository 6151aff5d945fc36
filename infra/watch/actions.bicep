// Who is called, where no action group of somebody else's is named. Of this one `azd provision` writes all anew: phones,
// webhooks or an ITSM connection belong into a group of your own (ACTION_GROUP_IDS).

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

// The app's logs in a private link scope that is there: the only way to them where they have no public access.

@description('Name of the private link scope.')
param scopeName string

@description('Tells this installation from others.')
param token string

@description('ARM id of the workspace that keeps the app\'s logs.')
param workspaceId string

@description('ARM id of the Application Insights component.')
param insightsId string

resource linkScope 'Microsoft.Insights/privateLinkScopes@2021-07-01-preview' existing = {
  name: scopeName
}

resource workspaceLink 'Microsoft.Insights/privateLinkScopes/scopedResources@2021-07-01-preview' = {
  parent: linkScope
  name: 'cmk-rotation-${token}-workspace'
  properties: { linkedResourceId: workspaceId }
}

// One at a time: a scope may refuse two that are made at once.
resource insightsLink 'Microsoft.Insights/privateLinkScopes/scopedResources@2021-07-01-preview' = {
  parent: linkScope
  name: 'cmk-rotation-${token}-insights'
  properties: { linkedResourceId: insightsId }
  dependsOn: [workspaceLink]
}

@description('ARM id of the workspace\'s place in the scope.')
output workspaceLinkId string = workspaceLink.id

@description('ARM id of the component\'s place in the scope.')
output insightsLinkId string = insightsLink.id

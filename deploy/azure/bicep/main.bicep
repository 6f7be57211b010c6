// Everything that Foretick needs in one resource group: a container registry, a key vault, a
// PostgreSQL server, an App Service with a staging slot, logs, and API Management in front
// where it is wanted.
//
//   az deployment group create --resource-group rg-foretick-dev --parameters deploy/azure/bicep/dev.bicepparam
//
// Secrets come in as secure parameters and stand nowhere but in the key vault.
targetScope = 'resourceGroup'

@description('Which environment this is; part of every name.')
@allowed(['dev', 'uat', 'production'])
param environment string

@description('Region of all resources.')
param location string = resourceGroup().location

@description('Start of every name: 3 to 10 lower case letters and digits.')
@minLength(3)
@maxLength(10)
param prefix string = 'foretick'

@description('Image that the app starts with, as REPOSITORY:TAG in the registry of this group. Deployments replace it.')
param image string = 'foretick:latest'

@description('Comma separated instruments to follow, such as kraken:BTC/USD@1m. Empty: the simulated market, labelled as such.')
param instruments string = ''

@description('Size of the App Service plan. Slots need S1, P0v3 or larger.')
param planSku string = 'P0v3'

@description('Size of the database server.')
param databaseSku object = {
  name: 'Standard_B1ms'
  tier: 'Burstable'
}

@description('Gigabytes of the database server.')
@minValue(32)
@maxValue(16384)
param databaseStorage int = 32

@description('Days for which the database can be taken back to any moment.')
@minValue(7)
@maxValue(35)
param backupDays int = 7

@description('Whether a second database server stands by in another zone.')
param highAvailability bool = false

@description('Days for which logs are kept.')
@minValue(30)
@maxValue(730)
param logDays int = 30

@description('API Management in front of the API; its smallest size takes some minutes to make.')
param gateway bool = false

@description('Who is told when API Management or an alert has something to say.')
param contact string

@description('Password of the database role that Foretick connects as.')
@secure()
@minLength(16)
param databasePassword string

@description('Keys of the API as name:role:secret, comma separated; role is read, write or admin.')
@secure()
param apiKeys string

@description('Secret of the read key among apiKeys, for API Management to ask with. Needed with gateway.')
@secure()
param gatewayKey string = ''

var suffix = uniqueString(resourceGroup().id)
var name = '${prefix}-${environment}'
var tags = {
  app: 'foretick'
  environment: environment
}

module monitor 'modules/monitor.bicep' = {
  name: 'monitor'
  params: {
    name: name
    location: location
    tags: tags
    logDays: logDays
    contact: contact
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  params: {
    name: toLower(replace('${prefix}${environment}${suffix}', '-', ''))
    location: location
    tags: tags
  }
}

module database 'modules/database.bicep' = {
  name: 'database'
  params: {
    name: '${name}-${suffix}'
    location: location
    tags: tags
    sku: databaseSku
    storage: databaseStorage
    backupDays: backupDays
    highAvailability: highAvailability
    password: databasePassword
    workspaceId: monitor.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    // At most 24 characters.
    name: take('kv${prefix}${suffix}', 24)
    location: location
    tags: tags
    store: 'postgres://${database.outputs.user}:${uriComponent(databasePassword)}@${database.outputs.host}:5432/${database.outputs.database}?sslmode=verify-full'
    apiKeys: apiKeys
    workspaceId: monitor.outputs.workspaceId
  }
}

module app 'modules/app.bicep' = {
  name: 'app'
  params: {
    name: '${name}-${suffix}'
    location: location
    tags: tags
    planSku: planSku
    registryName: registry.outputs.name
    vaultName: vault.outputs.name
    image: '${registry.outputs.server}/${image}'
    storeSecret: vault.outputs.storeSecret
    apiKeysSecret: vault.outputs.apiKeysSecret
    instruments: instruments
    workspaceId: monitor.outputs.workspaceId
    insightsConnection: monitor.outputs.insightsConnection
    actionGroupId: monitor.outputs.actionGroupId
  }
}

module front 'modules/gateway.bicep' = if (gateway) {
  name: 'gateway'
  params: {
    name: '${name}-api-${suffix}'
    location: location
    tags: tags
    contact: contact
    backend: 'https://${app.outputs.host}'
    key: gatewayKey
    insightsId: monitor.outputs.insightsId
    insightsConnection: monitor.outputs.insightsConnection
  }
}

@description('Name of the web app: FORETICK_APP of the pipelines.')
output webApp string = app.outputs.name

@description('Where the page is.')
output url string = 'https://${app.outputs.host}'

@description('Registry that images are pushed to: FORETICK_REGISTRY of the pipelines.')
output registry string = registry.outputs.server

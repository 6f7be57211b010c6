using './main.bicep'

param environment = 'uat'
param planSku = 'P0v3'
param databaseSku = {
  name: 'Standard_B2s'
  tier: 'Burstable'
}
param databaseStorage = 64
param backupDays = 7
param highAvailability = false
param logDays = 30
param gateway = true
param instruments = 'kraken:BTC/USD@1m'

// From the pipeline's secret variables, or your shell.
param contact = readEnvironmentVariable('FORETICK_CONTACT')
param databasePassword = readEnvironmentVariable('FORETICK_DATABASE_PASSWORD')
param apiKeys = readEnvironmentVariable('FORETICK_API_KEYS')
param gatewayKey = readEnvironmentVariable('FORETICK_GATEWAY_KEY')

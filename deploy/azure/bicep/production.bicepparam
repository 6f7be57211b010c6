using './main.bicep'

param environment = 'production'
param planSku = 'P1v3'
param databaseSku = {
  name: 'Standard_D2ds_v5'
  tier: 'GeneralPurpose'
}
param databaseStorage = 128
param backupDays = 35
param highAvailability = true
param logDays = 90
param gateway = true
param instruments = 'kraken:BTC/USD@1m'

// From the pipeline's secret variables, or your shell.
param contact = readEnvironmentVariable('FORETICK_CONTACT')
param databasePassword = readEnvironmentVariable('FORETICK_DATABASE_PASSWORD')
param apiKeys = readEnvironmentVariable('FORETICK_API_KEYS')
param gatewayKey = readEnvironmentVariable('FORETICK_GATEWAY_KEY')

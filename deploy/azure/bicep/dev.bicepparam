using './main.bicep'

param environment = 'dev'
param planSku = 'S1'
param databaseSku = {
  name: 'Standard_B1ms'
  tier: 'Burstable'
}
param databaseStorage = 32
param backupDays = 7
param highAvailability = false
param logDays = 30
param gateway = false
param instruments = ''

// From the pipeline's secret variables, or your shell.
param contact = readEnvironmentVariable('FORETICK_CONTACT')
param databasePassword = readEnvironmentVariable('FORETICK_DATABASE_PASSWORD')
param apiKeys = readEnvironmentVariable('FORETICK_API_KEYS')

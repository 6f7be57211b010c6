// API Management: one address for programs, with keys of its own, a rate and logs. It reads the
// operations from the OpenAPI document of the running service, so deploy the app first.
param name string
param location string
param tags object
param contact string
param backend string
@secure()
param key string
param insightsId string
param insightsConnection string

resource service 'Microsoft.ApiManagement/service@2023-05-01-preview' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Consumption'
    capacity: 0
  }
  properties: {
    publisherEmail: contact
    publisherName: 'Foretick'
  }
}

resource readKey 'Microsoft.ApiManagement/service/namedValues@2023-05-01-preview' = {
  parent: service
  name: 'foretick-read-key'
  properties: {
    displayName: 'foretick-read-key'
    secret: true
    value: key
  }
}

resource logger 'Microsoft.ApiManagement/service/loggers@2023-05-01-preview' = {
  parent: service
  name: 'insights'
  properties: {
    loggerType: 'applicationInsights'
    resourceId: insightsId
    credentials: {
      connectionString: insightsConnection
    }
  }
}

resource api 'Microsoft.ApiManagement/service/apis@2023-05-01-preview' = {
  parent: service
  name: 'foretick'
  properties: {
    displayName: 'Foretick'
    path: ''
    protocols: [
      'https'
    ]
    subscriptionRequired: true
    serviceUrl: backend
    format: 'openapi-link'
    value: '${backend}/openapi.json'
  }
}

// Callers show a subscription key of API Management; Foretick sees its own read key.
resource policy 'Microsoft.ApiManagement/service/apis/policies@2023-05-01-preview' = {
  parent: api
  name: 'policy'
  properties: {
    format: 'rawxml'
    value: '''
<policies>
  <inbound>
    <base />
    <rate-limit calls="600" renewal-period="60" />
    <set-header name="Authorization" exists-action="override">
      <value>Bearer {{foretick-read-key}}</value>
    </set-header>
  </inbound>
  <backend>
    <forward-request timeout="120" buffer-response="false" />
  </backend>
  <outbound>
    <base />
  </outbound>
  <on-error>
    <base />
  </on-error>
</policies>
'''
  }
  dependsOn: [
    readKey
  ]
}

resource diagnostics 'Microsoft.ApiManagement/service/apis/diagnostics@2023-05-01-preview' = {
  parent: api
  name: 'applicationinsights'
  properties: {
    loggerId: logger.id
    alwaysLog: 'allErrors'
    sampling: {
      samplingType: 'fixed'
      percentage: 10
    }
  }
}

output url string = service.properties.gatewayUrl

// Shows /openapi.json with Swagger UI from files of this server. No validator, no
// other host. The page's API key is offered for trying calls out.
window.addEventListener("load", () => {
  window.SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#docs",
    deepLinking: true,
    validatorUrl: null,
    defaultModelsExpandDepth: 0,
    docExpansion: "list",
    requestInterceptor: request => {
      let key = "";
      try {
        key = localStorage.getItem("foretick.key") ?? "";
      } catch {
        key = "";
      }
      const own = new URL(request.url, location.href).origin === location.origin;
      if (own && key !== "" && !request.headers.Authorization)
        request.headers.Authorization = `Bearer ${key}`;
      return request;
    },
  });
});

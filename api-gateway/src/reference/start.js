SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  displayRequestDuration: true,
  // Else the address of the document would be sent to a service elsewhere.
  validatorUrl: null,
});

// Requests go to where this page came from, also below a path of a proxy, which the document need not know.
const home = new URL("..", location.href).href.replace(/\/$/, "");

fetch("../openapi.json")
  .then((response) => {
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return response.json();
  })
  .then((spec) => {
    window.ui = SwaggerUIBundle({
      spec: { ...spec, servers: [{ url: home }] },
      dom_id: "#api",
      deepLinking: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      // No badge: it would send the document's address to a host on the Internet.
      validatorUrl: null,
    });
  })
  .catch((error) => {
    document.getElementById("api").textContent = `The OpenAPI document cannot be loaded: ${error.message}`;
  });

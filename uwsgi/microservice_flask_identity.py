"""Which headers only a proxy may send. Written by microservice-flask: changes are lost.

Proxies tell the application in headers who asks, from where, and for which URL. An application that believes such a
header believes it from anybody who can reach it, so only senders in `trusted_proxies` pass them on. W3C's trace and
request ids are not here, which nginx judges (nginx/nginx.conf), nor credentials that the application checks itself:
Authorization, X-Auth-Token, X-Api-Key.
"""

# A star stands for any end. docs/configuration.md has the same list.
HEADERS = {
    # Proxies on the way, and the connection in front of them. X-Forwarded-* is everybody's: RFC 7239 replaces the oldest,
    # oauth2-proxy adds -User, -Email, -Groups and -Access-Token, Envoy -Client-Cert, Traefik -Tls-Client-Cert.
    "any proxy": "Forwarded Forwarded-* X-Forwarded X-Forwarded-* X-Forward-* X-Forwarder-*",
    # Address of the client: nginx, HAProxy, Akamai, Rackspace, Zscaler, WebLogic, and what applications look for.
    "client address": "X-Real-* X-Client-IP X-Client-Addr* X-Client-Port Client-IP True-Client-* X-True-Client-*"
    " X-Cluster-Client-* X-Originating-* X-ProxyUser-* X-Proxy-* Proxy-Client-* WL-Proxy-* X-Peer-*",
    # All that these networks add is their word: addresses, countries, certificates, users.
    "content networks": "CF-* Fastly-* Fly-* X-Azure-* X-FD-* CloudFront-* Akamai-* X-Akamai-* Incap-* X-Sucuri-* X-NF-*"
    " X-Vercel-* DO-Connecting-* EO-* Ali-CDN-* CDN-Src-*",
    # Whether the caller is inside the mesh, and its name.
    "meshes": "X-Envoy-* X-Istio-* L5d-* X-SPIFFE-*",
    # Users, by the login of a proxy or gateway: Authelia (Remote-*), Apache and Kubernetes (X-Remote-*), Grafana's
    # auth proxy (X-WEBAUTH-*), oauth2-proxy (X-Auth-Request-*), Keycloak's (X-Auth-Username), Fortinet and Kong
    # (X-Authenticated-*), authentik, Pomerium, Vouch, Tailscale, Teleport, Cosmos, Kong (X-Consumer-*), APISIX
    # (X-Userinfo), Caddy's portal (X-Token-*), YunoHost, Sandstorm.
    "users": "Remote-* X-Remote-* X-WEBAUTH-* X-Auth-Request-* X-Auth-User* X-Auth-Email X-Auth-Name X-Auth-Subject"
    " X-Auth-Group* X-Auth-Role* X-Authenticated-* X-authentik-* X-Pomerium-* X-Vouch-* Tailscale-* Teleport-* X-Cosmos-*"
    " X-Consumer-* X-Credential-* X-Anonymous-Consumer X-Userinfo X-Token-User-* X-Token-Subject X-SSO-* YNH-*"
    " X-Sandstorm-*",
    # Users, by modules of web servers and by older single sign-on: Shibboleth, mod_auth_openidc, mod_auth_mellon,
    # mod_auth_cas, SiteMinder, Oracle Access Manager, IBM WebSEAL.
    "single sign-on": "Shib-* EPPN OIDC-* MELLON-* CAS-* SM-* SMUSER OAM-* OSSO-* IV-* AJP-*",
    # Users and requests of cloud platforms: AWS load balancers and gateways, Google's IAP, App Engine and gateways, Azure
    # App Service, Snowflake, Red Hat.
    "clouds": "X-Amzn-OIDC-* X-Amzn-MTLS-* X-Amzn-TLS-* X-Amzn-Request-Context X-Amzn-Lambda-Context X-Apigateway-*"
    " X-Goog-Authenticated-User-* X-Goog-IAP-* X-AppEngine-* X-Endpoint-API-* X-MS-Client-Principal* X-MS-Token-* X-ARR-*"
    " X-WAWS-* X-Site-Deployment-ID Disguised-Host Sf-Context-* X-RH-Identity",
    # Certificate of the client, where a proxy has ended TLS: RFC 9440, HAProxy, nginx, its ingress, Google.
    "certificates": "Client-Cert Client-Cert-* X-Client-Cert* X-SSL-* X-SSL SSL-* X-TLS-* X-MTLS-* X-Client-Verify*"
    " X-Client-DN X-Client-S-DN X-Client-I-DN X-Client-Subject* X-Client-Issuer* X-Client-Serial* X-Client-Fingerprint*",
    # Scheme, host and path as they were in front: Microsoft, ingresses, ISAPI, Symfony's, Traefik, Flask recipes.
    "original URL": "Front-End-HTTPS X-URL-Scheme X-Scheme X-HTTPS X-Host X-HTTP-Host-Override X-Original-* X-Rewrite-URL"
    " X-Replaced-Path X-Script-Name Script-Name Path-Info X-Sent-From",
}


def variable(header):
    """The variable of the environ; spellings that differ in case, and in - or _, become the same."""
    return "HTTP_" + header.upper().replace("-", "_")


_words = " ".join(HEADERS.values()).split()
_names = frozenset(variable(word) for word in _words if not word.endswith("*"))
_prefixes = tuple(variable(word[:-1]) for word in _words if word.endswith("*"))
# Variables that were found to be others: requests have few. A client can fill it, which costs it the speed alone.
_others = set()
_OTHERS_MAX = 1000
_OTHERS_LENGTH = 64


def is_identity(name):
    """Whether a variable of the environ is a header that only a proxy may send."""
    return name in _names or name.startswith(_prefixes)


def drop(environ, kept=""):
    """Removes the headers that only a proxy may send, but for those that `kept` names, separated by commas."""
    if _others.issuperset(environ):
        return
    keep = [variable(header) for header in kept.split(",")]
    for name in [name for name in environ if name not in _others]:
        if is_identity(name):
            if name not in keep:
                del environ[name]
        elif len(_others) < _OTHERS_MAX and len(name) <= _OTHERS_LENGTH:
            _others.add(name)

#!/usr/bin/env bash
# Registers cadrift in the tenant that az is logged in to: ./setup.sh STEP --name NAME [--cert PUBLIC.pem]
# STEP: read, attribution, names, guard (README.md). It can be run again.
set -euo pipefail

graph=00000003-0000-0000-c000-000000000000 # Microsoft Graph, in every tenant and cloud

usage() { echo "usage: $0 read|attribution|names|guard (--name NAME [--cert PUBLIC.pem] | --service-principal OBJECT_ID)" >&2; exit 1; }

step=${1:-}; shift || usage
name='' cert='' principal=''
while [ $# -gt 0 ]; do
  [ $# -ge 2 ] || usage
  case $1 in
    --name) name=$2 ;;
    --cert) cert=$2 ;;
    --service-principal) principal=$2 ;;
    *) usage ;;
  esac
  shift 2
done
[ -n "$name$principal" ] || usage

case $step in
  read) permissions='Policy.Read.All' ;;
  attribution) permissions='AuditLog.Read.All' ;;
  names) permissions='Directory.Read.All' ;;
  guard) permissions='Policy.Read.All Policy.ReadWrite.ConditionalAccess' ;;
  *) usage ;;
esac
if [ -n "$cert" ] && grep -q 'PRIVATE KEY' "$cert"; then
  echo "error: $cert holds a private key; only the certificate goes to Entra" >&2
  exit 1
fi

app=''
if [ -z "$principal" ]; then
  app=$(az ad app list --filter "displayName eq '$name'" --query '[0].appId' --output tsv)
  if [ -z "$app" ]; then
    app=$(az ad app create --display-name "$name" --sign-in-audience AzureADMyOrg --query appId --output tsv)
  fi
  principal=$(az ad sp list --filter "appId eq '$app'" --query '[0].id' --output tsv)
  if [ -z "$principal" ]; then
    principal=$(az ad sp create --id "$app" --query id --output tsv)
  fi
fi

resource=$(az ad sp show --id "$graph" --query id --output tsv)
host=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
host=${host%/}
for permission in $permissions; do
  role=$(az ad sp show --id "$graph" --query "appRoles[?value=='$permission'] | [0].id" --output tsv)
  [ -n "$role" ] || { echo "error: Microsoft Graph has no application permission $permission here" >&2; exit 1; }
  granted=$(az rest --method GET --uri "$host/v1.0/servicePrincipals/$principal/appRoleAssignments" \
    --query "value[?appRoleId=='$role' && resourceId=='$resource'] | [0].id" --output tsv)
  if [ -z "$granted" ]; then
    if [ -n "$app" ]; then
      az ad app permission add --id "$app" --api "$graph" --api-permissions "$role=Role" >/dev/null
    fi
    az rest --method POST --uri "$host/v1.0/servicePrincipals/$principal/appRoleAssignments" \
      --headers Content-Type=application/json \
      --body "{\"principalId\":\"$principal\",\"resourceId\":\"$resource\",\"appRoleId\":\"$role\"}" >/dev/null
  fi
  echo "granted  $permission"
done
if [ -n "$cert" ] && [ -n "$app" ]; then
  az ad app credential reset --id "$app" --append --cert "@$cert" --output none
  echo "uploaded $cert"
fi

echo
echo "tenant_id: $(az account show --query tenantId --output tsv)"
[ -z "$app" ] || echo "client_id: $app"

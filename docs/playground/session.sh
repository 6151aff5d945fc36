#!/usr/bin/env bash
# A session with an unmodified Azure CLI in the playground. Needs `az` on the PATH (pip install azure-cli, in an environment
# of its own), `curl`, and a playground that is up (make play). Its output is docs/playground/session.txt.
set -euo pipefail
CDPATH="" cd -- "$(dirname -- "$0")/../.."
python=${PYTHON:-.venv/bin/python}
enter() {  # the playground, as somebody; or end here, for otherwise `az` would be about the real Azure
  local environment
  environment=$("$python" -m simulator env "$@")
  eval "$environment"
  curl --fail --silent --cacert "$SSL_CERT_FILE" --header "X-Playground-Key: $PLAYGROUND_KEY" \
    https://playground.invalid/playground > /dev/null || { echo "No playground answers through the proxy." >&2; exit 1; }
}
enter
export PYTHONWARNINGS=ignore  # The Azure CLI's own.

run() {
  printf '\n$ %s\n' "$*"
  "$@"
}
say() { printf '\n# %s\n' "$*"; }
law() { run az monitor log-analytics "$@"; }
newest() { az keyvault key show --vault-name contoso --name la-cmk --query key.kid --output tsv; }
in_use() {
  az monitor log-analytics cluster show --resource-group rg-Logs --name "$1" --output tsv \
    --query "join('/keys/la-cmk/', ['https://contoso.vault.azure.net', keyVaultProperties.keyVersion])"
}

say "Who and where"
run az login --identity --output table
run az account list --output table
run az account set --subscription Production
run az group list --output table

say "The clusters, and a workspace"
law cluster list --output table
law cluster show --resource-group rg-Logs --name payments
law workspace show --resource-group rg-Logs --workspace-name law-payments --output table

say "Keys, in a vault and in a Managed HSM"
run az keyvault key list --vault-name contoso --output table
run az keyvault key list-versions --vault-name contoso --name la-cmk --output table
run az keyvault key show --vault-name contoso --name la-cmk --query attributes
run az keyvault key create --vault-name contoso --name other --kty RSA --size 3072 --query key.kid
run az keyvault key list --hsm-name contoso-hsm --output table
run az keyvault key list-versions --hsm-name contoso-hsm --name hsm-cmk --output table
run az keyvault key create --hsm-name contoso-hsm --name other --kty RSA-HSM --size 3072 --query key.kid
run az keyvault key rotate --hsm-name contoso-hsm --name other --query key.kid
run az keyvault key set-attributes --hsm-name contoso-hsm --name other --enabled false --query attributes.enabled
run az keyvault key show --hsm-name contoso-hsm --name hsm-cmk --query attributes.enabled

say "Other resources, rights, and where events go"
run az resource show --resource-group rg-Logs --name payments --resource-type Microsoft.OperationalInsights/clusters --query id
run az keyvault show --name contoso --query properties.enablePurgeProtection
run az role assignment list --all --output table
run az eventgrid system-topic event-subscription list --resource-group rg-Logs --system-topic-name contoso-events \
  --query '[].{name:name, to:destination.endpointBaseUrl}' --output table

say "The Azure CLI's own cluster update is a GET and a PUT"
law cluster update --resource-group rg-Logs --name web-shop --tags team=shop --query tags

say "A cluster is held, and released: with its tags alone, or with the whole cluster. What sends all that it read is refused"
shop=$(az monitor log-analytics cluster show --resource-group rg-Logs --name web-shop --query id --output tsv)
run az tag update --resource-id "$shop" --operation Merge --tags cmk-rotation=hold --query properties.tags
run az tag list --resource-id "$shop" --query properties.tags
run az tag update --resource-id "$shop" --operation Delete --tags cmk-rotation=hold --query properties.tags
law cluster update --resource-group rg-Logs --name web-shop --set tags.cmk-rotation=hold --query tags
law cluster update --resource-group rg-Logs --name web-shop --remove tags.cmk-rotation --query tags
run az resource tag --ids "$shop" --tags cmk-rotation=hold || echo "(refused, as it should be)"

say "Storage of one's own for saved queries: encrypted with a version of the clusters' key, and linked to a workspace"
run az storage account show --name savedqueries --query encryption.keySource
saved=$(az storage account show --name savedqueries --query id --output tsv)
version=$(newest)
encrypt=(--encryption-key-source Microsoft.Keyvault --encryption-key-vault https://contoso.vault.azure.net)
run az storage account update --ids "$saved" "${encrypt[@]}" --encryption-key-name la-cmk \
  --encryption-key-version "${version##*/}" --query encryption.keyVaultProperties
law workspace linked-storage create --resource-group rg-Logs --workspace-name law-payments --type Query \
  --storage-accounts "$saved" --query storageAccountIds
law workspace linked-storage list --resource-group rg-Logs --workspace-name law-payments --query '[].dataSourceType'

say "A rotation: the event moves the clusters that name the old version"
run az keyvault key rotate --vault-name contoso --name la-cmk --query key.kid
for cluster in payments web-shop; do
  for _ in $(seq 40); do
    [ "$(in_use $cluster)" = "$(newest)" ] && break
    sleep 2
  done
  [ "$(in_use $cluster)" = "$(newest)" ] || { echo "$cluster did not follow"; exit 1; }
  echo "$cluster uses $(newest)"
done
run az storage entity query --account-name cmkrotation --auth-mode login --table-name rotations \
  --filter "RowKey ne '~cluster' and RowKey lt '~'" --query 'items[].{cluster:clusterId, stage:stage, reason:reason}' --output table
run az storage message peek --account-name cmkrotation --auth-mode login --queue-name cluster-visits --output table

say "The account pins the old version until it is moved by hand"
version=$(newest)
run az storage account update --ids "$saved" "${encrypt[@]}" --encryption-key-name la-cmk \
  --encryption-key-version "${version##*/}" --query encryption.keyVaultProperties.currentVersionedKeyIdentifier

say "A right is taken away and given back: Azure refuses the cluster's update meanwhile"
cluster_id=$(az monitor log-analytics cluster show --resource-group rg-Logs --name web-shop --query identity.principalId --output tsv)
vault_id=$(az keyvault show --name contoso --query id --output tsv)
other=$(az keyvault key show --vault-name contoso --name other --query key.kid --output tsv)
grant=(--assignee-object-id "$cluster_id" --role "Key Vault Crypto Service Encryption User" --scope "$vault_id")
run az role assignment delete --assignee "$cluster_id" --scope "$vault_id"
sleep 6  # Five minutes: until the removal counts.
law cluster update --resource-group rg-Logs --name web-shop --key-vault-uri https://contoso.vault.azure.net/ \
  --key-name other --key-version "${other##*/}" --query keyVaultProperties || echo "(refused, as it should be)"
run az role assignment create "${grant[@]}" --assignee-principal-type ServicePrincipal --query scope

say "Who changed web-shop, and how it ended"
run az monitor activity-log list --resource-id "$shop" --offset 1d --output table \
  --query '[].{at:eventTimestamp, what:operationName.value, status:status.value, code:subStatus.value, by:caller}'

say "A vault behind a firewall, and a rule that lets this machine in"
run az keyvault update --name contoso --default-action Deny --query properties.networkAcls.defaultAction
run az keyvault key list --vault-name contoso --output table || echo "(refused, as it should be)"
run az keyvault network-rule add --name contoso --ip-address 203.0.113.0/24 --query properties.networkAcls.ipRules
run az keyvault key list --vault-name contoso --query length\(@\)
run az keyvault network-rule list --name contoso --query ipRules
run az keyvault network-rule remove --name contoso --ip-address 203.0.113.0/24 --query properties.networkAcls.ipRules
run az keyvault update --name contoso --default-action Allow --query properties.networkAcls.defaultAction

say "A vault is made, gets a key and an access policy, is deleted, recovered and purged"
run az keyvault create --name fresh-kv --resource-group rg-Logs --location westeurope --query properties.enableRbacAuthorization
run az keyvault key create --vault-name fresh-kv --name first --query key.kid
run az keyvault update --name fresh-kv --enable-rbac-authorization false --query properties.enableRbacAuthorization
run az keyvault set-policy --name fresh-kv --object-id "$cluster_id" --key-permissions get wrapKey unwrapKey \
  --query 'properties.accessPolicies[].permissions.keys'
run az keyvault delete-policy --name fresh-kv --object-id "$cluster_id" --query properties.accessPolicies
run az keyvault list --output table
run az keyvault delete --name fresh-kv
run az keyvault list-deleted --query '[].name'
run az keyvault show-deleted --name fresh-kv --query properties.vaultId
run az keyvault recover --name fresh-kv --query name
run az keyvault delete --name fresh-kv
run az keyvault purge --name fresh-kv
run az keyvault update --name contoso --enable-purge-protection false || echo "(refused: it cannot be turned off)"
run az keyvault update-hsm --hsm-name contoso-hsm --bypass AzureServices --query properties.networkAcls.bypass

say "A cluster is moved by hand, and a version is disabled"
law cluster update --resource-group rg-Logs --name payments --key-vault-uri https://contoso.vault.azure.net/ \
  --key-name other --key-version "${other##*/}" --query keyVaultProperties
sleep 65  # Until storage has wrapped its own key with the cluster's new one.
run az keyvault key set-attributes --vault-name contoso --name other --enabled false --query attributes.enabled
sleep 60  # An hour: storage bears a refusal for 40 minutes.

say "What the storage of payments made of it, an hour later"
run "$python" -m simulator status

say "Another tenant: its own subscription and cluster, and nobody else's"
enter --as partner
run az login --identity --output table
law cluster list --query '[].{name:name, key:keyVaultProperties.keyName}' --output table
run az keyvault key list --vault-name partner-kv --output table
run az keyvault key list --vault-name contoso --output table || echo "(refused, as it should be)"

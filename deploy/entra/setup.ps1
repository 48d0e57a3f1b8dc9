<#
.SYNOPSIS
Registers cadrift in a tenant with Microsoft Graph PowerShell. It can be run again.
.EXAMPLE
./setup.ps1 -Step read -Name cadrift -CertificatePath cadrift-public.pem
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory)] [ValidateSet('read', 'attribution', 'names', 'guard')] [string] $Step,
    [Parameter(Mandatory)] [string] $Name,
    [string] $CertificatePath,
    [string] $TenantId
)
$ErrorActionPreference = 'Stop'

$permissions = switch ($Step) {
    'read'        { @('Policy.Read.All') }
    'attribution' { @('AuditLog.Read.All') }
    'names'       { @('Directory.Read.All') }
    'guard'       { @('Policy.Read.All', 'Policy.ReadWrite.ConditionalAccess') }
}
if ($CertificatePath -and (Select-String -Path $CertificatePath -Pattern 'PRIVATE KEY' -Quiet)) {
    throw "$CertificatePath holds a private key; only the certificate goes to Entra"
}

$connect = @{ Scopes = 'Application.ReadWrite.All', 'AppRoleAssignment.ReadWrite.All'; NoWelcome = $true }
if ($TenantId) { $connect.TenantId = $TenantId }
Connect-MgGraph @connect

$filterName = $Name.Replace("'", "''")
$app = Get-MgApplication -Filter "displayName eq '$filterName'" -Top 1
if (-not $app) { $app = New-MgApplication -DisplayName $Name -SignInAudience AzureADMyOrg }
$principal = Get-MgServicePrincipal -Filter "appId eq '$($app.AppId)'" -Top 1
if (-not $principal) { $principal = New-MgServicePrincipal -AppId $app.AppId }
$graph = Get-MgServicePrincipal -Filter "appId eq '00000003-0000-0000-c000-000000000000'" -Top 1

$granted = Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -All
foreach ($permission in $permissions) {
    $role = $graph.AppRoles | Where-Object { $_.Value -eq $permission -and $_.AllowedMemberTypes -contains 'Application' }
    if (-not $role) { throw "Microsoft Graph has no application permission $permission here" }
    if (-not ($granted | Where-Object { $_.AppRoleId -eq $role.Id -and $_.ResourceId -eq $graph.Id })) {
        New-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $principal.Id -PrincipalId $principal.Id -ResourceId $graph.Id -AppRoleId $role.Id | Out-Null
    }
    Write-Output "granted  $permission"
}
if ($CertificatePath) {
    $pem = (Get-Content -Raw $CertificatePath) -replace '-----[A-Z ]+-----', '' -replace '\s', ''
    $key = @{ Type = 'AsymmetricX509Cert'; Usage = 'Verify'; Key = [Convert]::FromBase64String($pem) }
    Update-MgApplication -ApplicationId $app.Id -KeyCredentials (@($app.KeyCredentials) + $key | Where-Object { $_ })
    Write-Output "uploaded $CertificatePath"
}
Write-Output "tenant_id: $((Get-MgContext).TenantId)"
Write-Output "client_id: $($app.AppId)"

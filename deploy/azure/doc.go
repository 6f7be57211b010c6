// Package azure holds no code: its tests check what brings Foretick to Azure. The pipelines (and
// GitHub's workflows of the same steps) name only targets, files, parameters and variables that
// exist; the Bicep files hang together and hold no secret; the script that swaps slots goes back
// when the new version is not well.
package azure

// SPDX-License-Identifier: Apache-2.0
// The CA's files, and the process that signs with its key.
#pragma once

#include "net/ca/signer.h"

#include <expected>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace sluice::app {

struct Config;

std::filesystem::path authority_certificate(const Config& config);
std::filesystem::path authority_key(const Config& config);
bool has_authority(const Config& config);

// The certificate, or why not, with the file's name.
std::expected<net::tls::CertificatePtr, std::string> load_authority_certificate(const Config& config);

// Starts the signer, which reads the key now: as root, where that is what we are. Or why not.
std::expected<std::unique_ptr<net::ca::Signer>, std::string> start_signer(const Config& config);

// Whether this process is the signer: then its whole life, and its exit code.
std::optional<int> run_as_signer(int argc, char** argv);

}  // namespace sluice::app

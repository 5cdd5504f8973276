// SPDX-License-Identifier: Apache-2.0
// A root, leaves below it, and the two ends of a TLS connection in memory.
#pragma once

#include "net/ca/authority.h"
#include "net/memory_stream.h"
#include "net/tls/acceptor.h"
#include "net/tls/session_cache.h"
#include "net/tls/trust.h"
#include "net/worker.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sluice::net::tls {

// Its certificate is in a file, as `Trust` wants it.
class Root {
public:
    Root()
        : authority_(std::move(*ca::make_authority("Root"))),
          file_(std::filesystem::temp_directory_path() / ("sluice-root-" + std::to_string(::getpid()))) {
        std::ofstream(file_) << ca::to_pem(*authority_.certificate);
    }
    ~Root() { std::filesystem::remove(file_); }
    Root(const Root&) = delete;
    Root& operator=(const Root&) = delete;

    const ca::Authority& authority() const { return authority_; }
    const std::filesystem::path& file() const { return file_; }
    Identity leaf(std::string_view host) const {
        Identity identity;
        identity.key.reset(EVP_EC_gen("P-256"));
        ca::LeafRequest request = ca::request_for(host);
        request.public_key = *ca::public_key_of(*identity.key);
        identity.certificate = std::move(*ca::sign_leaf(authority_, request));
        return identity;
    }
    std::shared_ptr<const Trust> trust() const { return *Trust::load({.extra_roots = file_, .certificates = {}}); }

private:
    ca::Authority authority_;
    std::filesystem::path file_;
};

inline std::shared_ptr<const Acceptor> acceptor() { return *Acceptor::make({}); }

// The server's end: handshake, then what comes goes back, until the end.
inline Task<void> echo(std::unique_ptr<Stream> below, const Acceptor& from, const Identity& leaf, std::string_view name) {
    auto opened = from.open(below, {}, &leaf, name);
    if (!opened) co_return;
    TlsStream& stream = **opened;
    stream.expires_in(std::chrono::seconds(20));
    if (!co_await stream.handshake()) co_return;
    std::string buffer(30'000, 0);
    for (;;) {
        const auto got = co_await stream.read_some(buffer);
        if (!got || *got == 0) break;
        const std::string_view piece(buffer.data(), *got);
        if (!co_await stream.write({&piece, 1})) break;
    }
    stream.close();
}

}  // namespace sluice::net::tls

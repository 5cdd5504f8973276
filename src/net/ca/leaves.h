// SPDX-License-Identifier: Apache-2.0
// Leaves for servers' names, made when they are first wanted and kept in memory.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "net/aside.h"
#include "net/ca/known_key.h"
#include "net/ca/signer.h"
#include "net/gate.h"
#include "net/task.h"
#include "net/tls/acceptor.h"

namespace sluice::net::ca {

// ECDSA wherever the client can: a signature costs a fifteenth of RSA's.
enum class KeyKind : std::uint8_t { ecdsa, rsa };

// What all workers make leaves with: the signer, and one key of each kind for as long as the process lives.
class LeafMaker {
public:
    // Makes the keys; the RSA one takes a tenth of a second.
    static Result<std::unique_ptr<LeafMaker>> start(std::unique_ptr<Signer> signer);

    // Blocks, see Signer::sign. From any thread.
    Result<tls::CertificatePtr> make(LeafRequest request, KeyKind kind);
    EVP_PKEY* key(KeyKind kind) const { return keys_[static_cast<std::size_t>(kind)].key.get(); }
    Aside& aside() { return aside_; }

private:
    explicit LeafMaker(std::unique_ptr<Signer> signer) : signer_(std::move(signer)) {}
    std::unique_ptr<Signer> signer_;
    struct Key {
        tls::KeyPtr key;
        KnownKey known;
    };
    std::vector<Key> keys_;                              // by kind
    Aside aside_{1, 4096};
};

using Leaf = tls::Identity;

// One a worker. Who asks for a leaf that another is waiting for waits with it.
class LeafCache {
public:
    LeafCache(LeafMaker& maker, Worker& worker, std::size_t most) : maker_(maker), worker_(worker), most_(most) {}

    // A leaf that says what the server's certificate says; `server` null: for the name alone. Errors as Signer::sign; overloaded.
    Task<Result<std::shared_ptr<const Leaf>>> get(std::string name, X509* server, KeyKind kind);
    std::size_t size() const { return leaves_.size(); }
    struct Counters {
        std::uint64_t made = 0;
        std::uint64_t found = 0;
        std::uint64_t failed = 0;
    };
    const Counters& counters() const { return counters_; }

private:
    struct Kept {
        std::string key;
        std::string of;                                  // SHA-256 of the server's certificate; empty: of none
        std::int64_t until = 0;                          // Unix seconds: when another one is made
        std::shared_ptr<const Leaf> leaf;
    };
    // A leaf on its way.
    struct Making {
        Result<std::shared_ptr<const Leaf>> result = fail(Errc::cancelled, Side::self, "not made yet");
        std::list<Gate> waiting;
        bool is_done = false;
    };
    std::shared_ptr<const Leaf> find(const std::string& key, std::string_view of);
    void keep(Kept kept);

    LeafMaker& maker_;
    Worker& worker_;
    std::size_t most_;
    std::list<Kept> leaves_;                             // the one used last first
    std::unordered_map<std::string_view, std::list<Kept>::iterator> by_key_;
    std::unordered_map<std::string, std::shared_ptr<Making>> making_;
    Counters counters_;
};

}  // namespace sluice::net::ca

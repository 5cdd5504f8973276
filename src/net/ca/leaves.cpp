// SPDX-License-Identifier: Apache-2.0
#include "net/ca/leaves.h"

#include <openssl/rsa.h>

#include <array>
#include <ctime>
#include <utility>

#include "net/worker.h"

namespace sluice::net::ca {

namespace {

constexpr unsigned rsa_bits = 2048;
// A leaf is made anew so long before its end: whoever gets it may use it for a while.
constexpr std::int64_t margin = 24 * 60 * 60;

std::string digest_of(const X509* certificate) {
    if (certificate == nullptr) return {};
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    X509_digest(certificate, EVP_sha256(), digest.data(), &size);
    return {reinterpret_cast<const char*>(digest.data()), size};
}

std::int64_t end_of(const X509& certificate) {
    std::tm broken_down{};
    return ASN1_TIME_to_tm(X509_get0_notAfter(&certificate), &broken_down) == 1 ? timegm(&broken_down) : 0;
}

}  // namespace

Result<std::unique_ptr<LeafMaker>> LeafMaker::start(std::unique_ptr<Signer> signer) {
    std::unique_ptr<LeafMaker> maker(new LeafMaker(std::move(signer)));
    for (const KeyKind kind : {KeyKind::ecdsa, KeyKind::rsa}) {
        tls::KeyPtr key(kind == KeyKind::ecdsa ? EVP_EC_gen("P-256") : EVP_RSA_gen(rsa_bits));
        if (!key) return fail(Errc::io_failed, Side::self, "a key for leaves cannot be made");
        KnownKey known = TRY(KnownKey::make(*key));
        maker->keys_.push_back({std::move(key), std::move(known)});
    }
    return maker;
}

Result<tls::CertificatePtr> LeafMaker::make(LeafRequest request, KeyKind kind) {
    const KnownKey& known = keys_[static_cast<std::size_t>(kind)].known;
    request.public_key = known.der();
    return known.read(TRY(signer_->sign(request)));
}

std::shared_ptr<const Leaf> LeafCache::find(const std::string& key, std::string_view of) {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) return nullptr;
    const auto kept = found->second;
    if (kept->of == of && kept->until > std::time(nullptr)) {
        leaves_.splice(leaves_.begin(), leaves_, kept);
        return kept->leaf;
    }
    by_key_.erase(found);
    leaves_.erase(kept);
    return nullptr;
}

void LeafCache::keep(Kept kept) {
    if (const auto found = by_key_.find(kept.key); found != by_key_.end()) {
        const auto old = found->second;
        by_key_.erase(found);
        leaves_.erase(old);
    }
    leaves_.push_front(std::move(kept));
    by_key_.emplace(leaves_.front().key, leaves_.begin());
    if (leaves_.size() > most_) {
        by_key_.erase(leaves_.back().key);
        leaves_.pop_back();
    }
}

Task<Result<std::shared_ptr<const Leaf>>> LeafCache::get(std::string name, X509* server, KeyKind kind) {
    const std::string of = digest_of(server);
    std::string key = name;
    key += kind == KeyKind::ecdsa ? "/e" : "/r";
    if (of.empty()) key += "/alone";  // beside the one that says what the server's says: a name may be blocked at times
    if (auto leaf = find(key, of)) {
        ++counters_.found;
        co_return leaf;
    }
    const std::string making_key = key + of;
    if (const auto begun = making_.find(making_key); begun != making_.end()) {
        const std::shared_ptr<Making> making = begun->second;
        Gate& gate = making->waiting.emplace_back();
        co_await gate.wait();
        co_return making->result;
    }
    const auto making = std::make_shared<Making>();
    making_.emplace(making_key, making);
    LeafRequest request = server == nullptr ? request_for(name) : request_like(*server);

    Result<tls::CertificatePtr> made = fail(Errc::overloaded, Side::self, "too many leaves are being made");
    const bool has_run = co_await maker_.aside().run(worker_, [&] { made = maker_.make(std::move(request), kind); });
    if (has_run && made) {
        auto leaf = std::make_shared<Leaf>();
        leaf->certificate = std::move(*made);
        EVP_PKEY_up_ref(maker_.key(kind));
        leaf->key.reset(maker_.key(kind));
        const std::int64_t end = end_of(*leaf->certificate);
        making->result = leaf;
        ++counters_.made;
        const std::int64_t now = std::time(nullptr);
        keep({key, of, end - margin > now ? end - margin : now + (end - now) / 2, std::move(leaf)});
    } else {
        making->result = std::unexpected(made.error());
        ++counters_.failed;
    }
    making_.erase(making_key);
    for (Gate& gate : making->waiting) gate.open();
    co_return making->result;
}

}  // namespace sluice::net::ca

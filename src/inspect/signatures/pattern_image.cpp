// SPDX-License-Identifier: Apache-2.0
// A compiled set as bytes, for a process that searches with it and compiles nothing. Numbers are the machine's own: the bytes never leave it.
// A SHA-256 of all of it stands in front: nothing else says whether Vectorscan's part numbers its patterns as the meanings do.
#include "inspect/signatures/pattern_set.h"

#include "inspect/signatures/content_hash.h"

#include <hs.h>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace sluice::inspect {

namespace {

constexpr std::uint64_t mark = 0x32'53'50'45'43'55'4c'53;  // the layout's version is in it

void put(std::string& out, const auto& value) {
    static_assert(std::is_trivially_copyable_v<std::remove_cvref_t<decltype(value)>>);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

class Reader {
public:
    explicit Reader(std::string_view bytes) : rest_(bytes) {}

    template <class T>
    T number() {
        T value{};
        const std::string_view bytes = text(sizeof value);
        if (bytes.size() == sizeof value) std::memcpy(&value, bytes.data(), sizeof value);
        return value;
    }
    std::string_view text(std::uint64_t size) {
        is_good_ = is_good_ && size <= rest_.size();
        if (!is_good_) return {};
        const std::string_view out = rest_.substr(0, static_cast<std::size_t>(size));
        rest_.remove_prefix(out.size());
        return out;
    }
    bool is_good() const { return is_good_; }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
    bool is_good_ = true;
};

Result<Sha256::Digest> digest_of(std::string_view bytes) {
    Sha256 hash;
    hash.feed(bytes);
    return hash.finish();
}

std::unexpected<Error> malformed() { return fail(Errc::malformed, Side::self, "the signatures' image is broken"); }

}  // namespace

Result<std::string> PatternSet::to_image() const {
    char* bytes = nullptr;
    std::size_t size = 0;
    if (const hs_error_t error = hs_serialize_database(database_.get(), &bytes, &size); error != HS_SUCCESS)
        return fail(Errc::overloaded, Side::self, "no memory for the signatures' image", error);
    const std::unique_ptr<char, decltype(&std::free)> owned(bytes, &std::free);
    std::string out;
    put(out, mark);
    const std::size_t digest_at = out.size();
    put(out, Sha256::Digest{});
    const std::size_t digested_at = out.size();
    put(out, generation_);
    put(out, rules_generation_);
    put(out, std::uint64_t{rules_});
    put(out, std::uint64_t{kept_bytes_});
    put(out, std::uint64_t{names_.size()});
    for (const std::string& name : names_) {
        put(out, static_cast<std::uint32_t>(name.size()));
        out += name;
    }
    put(out, std::uint64_t{meanings_.size()});
    for (const Meaning& meaning : meanings_) {
        put(out, static_cast<std::uint8_t>(meaning.kind));
        put(out, static_cast<std::uint8_t>(meaning.luhn));
        put(out, meaning.fewest_digits);
        put(out, meaning.most_digits);
        put(out, meaning.index);
    }
    out.append(bytes, size);
    const Sha256::Digest digest = TRY(digest_of(std::string_view(out).substr(digested_at)));
    std::memcpy(out.data() + digest_at, digest.data(), digest.size());
    return out;
}

Result<std::shared_ptr<const PatternSet>> PatternSet::from_image(std::string_view image) {
    Reader reader(image);
    const std::shared_ptr<PatternSet> set(new PatternSet);
    if (reader.number<std::uint64_t>() != mark) return malformed();
    const auto digest = reader.number<Sha256::Digest>();
    if (TRY(digest_of(reader.rest())) != digest) return malformed();
    set->generation_ = reader.number<std::uint64_t>();
    set->rules_generation_ = reader.number<std::uint64_t>();
    set->rules_ = reader.number<std::uint64_t>();
    set->kept_bytes_ = reader.number<std::uint64_t>();
    // Each takes some bytes: a false count is found before it is believed.
    for (auto left = reader.number<std::uint64_t>(); left > 0 && reader.is_good(); --left)
        set->names_.emplace_back(reader.text(reader.number<std::uint32_t>()));
    for (auto left = reader.number<std::uint64_t>(); left > 0 && reader.is_good(); --left) {
        const auto kind = reader.number<std::uint8_t>();
        Meaning meaning{.kind = static_cast<Meaning::Kind>(kind)};
        meaning.luhn = reader.number<std::uint8_t>() != 0;
        meaning.fewest_digits = reader.number<std::uint8_t>();
        meaning.most_digits = reader.number<std::uint8_t>();
        meaning.index = reader.number<std::uint32_t>();
        if (kind > static_cast<std::uint8_t>(Meaning::Kind::archive)) return malformed();
        const std::size_t most = meaning.kind == Meaning::Kind::rule      ? set->rules_
                                 : meaning.kind == Meaning::Kind::archive ? PatternSet::archive_signatures
                                                                          : set->names_.size();
        if (meaning.index >= most) return malformed();
        set->meanings_.push_back(meaning);
    }
    if (!reader.is_good() || set->kept_bytes_ > image.size() || set->rules_ > set->meanings_.size()) return malformed();
    hs_database_t* database = nullptr;
    if (const hs_error_t error = hs_deserialize_database(reader.rest().data(), reader.rest().size(), &database); error != HS_SUCCESS)
        return fail(Errc::malformed, Side::self, "Vectorscan does not take the signatures' image", error);
    set->database_.reset(database);
    return set;
}

}  // namespace sluice::inspect

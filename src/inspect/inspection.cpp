// SPDX-License-Identifier: Apache-2.0
#include "inspect/inspection.h"

#include "base/text.h"
#include "inspect/holding.h"
#include "inspect/setup.h"

#include <algorithm>
#include <utility>

namespace sluice::inspect {

namespace {

constexpr std::string_view signatures_engine = "signatures";
constexpr std::uint64_t iso_mark = 32'769;               // ECMA-119 8.1: sector 16, after its type
constexpr std::string_view iso_word = "CD001";

Reason reason_of(const Error& error) { return error.code == Errc::too_large ? Reason::too_deep : Reason::undecodable; }

}  // namespace

void Inspection::begin(const Setup& setup, const Declared& declared) {
    clear();
    setup_ = &setup;
    partial_ = declared.partial;
    has_network_lines_ = declared.has_network_lines;
    max_size_ = setup.max_size;
    is_hashing_ = setup.wants_sha256 || declared.wants_sha256;
    outcome_ = setup.patterns || setup.wants_sha256 ? Outcome::clean() : Outcome{};
    if (!declared.coding.empty()) {
        auto codings = parse_content_encoding(declared.coding, setup.limits);
        if (!codings) outcome_.add(Outcome::unscannable(reason_of(codings.error())));
        else codings_ = std::move(*codings);
        if (!codings_.empty()) decoder_.emplace(codings_, setup.limits, setup.max_size);
    }
    if (setup.patterns) {
        const auto open = [&](std::optional<PatternStream>& stream) {
            auto opened = bench_.patterns.open(setup.patterns);
            if (opened) stream.emplace(std::move(*opened));
            else outcome_.add(Outcome::unscannable(Reason::overloaded, signatures_engine));
        };
        open(raw_);
        if (decoder_ || has_network_lines_) open(decoded_);
    }
    if (is_hashing_ && !hash_) hash_.emplace();
}

void Inspection::clear() {
    if (hash_ && content_size_ > 0 && sha256_.empty()) hash_.emplace();   // what it was fed is of no payload any more
    codings_.clear();
    decoder_.reset();
    raw_.reset();
    decoded_.reset();
    first_.clear();
    first_raw_.clear();
    type_ = {};
    outcome_ = {};
    copy_ = nullptr;
    partial_ = gave_up_ = ignores_signatures_ = is_iso_ = has_network_lines_ = has_cr_ = false;
    iso_seen_ = 0;
    size_ = content_size_ = 0;
    sha256_.clear();
}

void Inspection::feed(std::string_view bytes) {
    if (gave_up_ || bytes.empty()) return;
    size_ += bytes.size();
    if (size_ > max_size_) return give_up(Reason::too_large);
    search(raw_, bytes);
    if (has_network_lines_) search_with_lf(bytes);
    if (!decoder_) return see_content(bytes);
    if (decoder_->fault() != Reason::none) return;
    first_raw_ += bytes.substr(0, sniff_length - first_raw_.size());
    const Reason fault = decoder_->push(bytes, bench_.decoded, [&](std::string_view piece) {
        if (gave_up_) return;
        search(decoded_, piece);
        see_content(piece);
    });
    if (gave_up_) return;
    if (fault == Reason::none) return;
    outcome_.add(Outcome::unscannable(fault));
    take_as_it_came(bytes);
}

// What is not coded as its sender says is for many readers what it is without: a program under a false coding is still one. `bytes`: the last that
// came; those before them are known where they were few.
void Inspection::take_as_it_came(std::string_view bytes) {
    if (content_size_ > 0 || size_ > first_raw_.size() + bytes.size()) {
        // Of the content only a part is known, and of what came only the beginning: nobody can tell what it is for whom.
        const MediaType raw = sniff(first_raw_);
        const bool is_coding = raw.mime == "application/gzip" || raw.mime == "application/zstd";
        if (raw.kind > type_.kind && !is_coding) type_ = raw;
        if ((inspect::is_risky(raw.kind) && !is_coding) || content_size_ == 0)
            outcome_.add(Outcome::unscannable(Reason::undecodable, structure_engine));
        return;
    }
    // Nothing was decoded: then this is the content.
    decoder_.reset();
    decoded_.reset();
    codings_.clear();
    const std::string before = first_raw_.substr(0, static_cast<std::size_t>(size_ - bytes.size()));
    if (!before.empty()) see_content(before);
    if (!gave_up_) see_content(bytes);
}

void Inspection::see_content(std::string_view bytes) {
    if (content_size_ < iso_mark + iso_word.size()) look_for_iso(bytes);
    content_size_ += bytes.size();
    if (content_size_ > max_size_) return give_up(Reason::too_large);
    if (is_hashing_) hash_->feed(bytes);
    if (copy_) copy_->append(bytes);
    if (first_.size() >= sniff_length) return;
    first_ += bytes.substr(0, sniff_length - first_.size());
    if (!is_iso_) type_ = sniff(first_);
}

// The one type that says so further in than anything is kept.
void Inspection::look_for_iso(std::string_view bytes) {
    for (; iso_seen_ < iso_word.size(); ++iso_seen_) {
        const std::uint64_t at = iso_mark + iso_seen_;
        if (at < content_size_ || at - content_size_ >= bytes.size() ||
            bytes[static_cast<std::size_t>(at - content_size_)] != iso_word[iso_seen_])
            return;
    }
    is_iso_ = true;
    if (type_.kind < MediaClass::archive) type_ = {"application/x-iso9660-image", MediaClass::archive};
}

void Inspection::search(std::optional<PatternStream>& stream, std::string_view bytes) {
    if (!stream) return;
    if (!stream->feed(bytes)) {
        outcome_.add(Outcome::unscannable(Reason::overloaded, signatures_engine));
        stream.reset();
        return;
    }
    if (ignores_signatures_) return;
    if (const std::string_view threat = stream->infected(); !threat.empty() && outcome_.verdict != Verdict::infected)
        outcome_.add(Outcome::infected(std::string(threat), signatures_engine));
}

// CR LF is LF; a CR before anything else stays, also as the very last octet: `finish` says it.
void Inspection::search_with_lf(std::string_view bytes) {
    while (decoded_ && !bytes.empty()) {
        std::size_t written = 0;
        // Two octets of room: a CR that waited, and what follows it.
        while (!bytes.empty() && written + 2 <= bench_.decoded.size()) {
            const char c = bytes.front();
            bytes.remove_prefix(1);
            if (std::exchange(has_cr_, false) && c != '\n') bench_.decoded[written++] = '\r';
            if (c == '\r') has_cr_ = true;
            else bench_.decoded[written++] = c;
        }
        search(decoded_, {bench_.decoded.data(), written});
    }
}

void Inspection::end_search(std::optional<PatternStream>& stream) {
    if (!stream) return;
    if (!stream->finish()) return outcome_.add(Outcome::unscannable(Reason::overloaded, signatures_engine));
    if (ignores_signatures_) return;
    if (const std::string_view threat = stream->infected(); !threat.empty())
        outcome_.add(Outcome::infected(std::string(threat), signatures_engine));
    for (const std::string_view match : stream->matches())
        if (std::ranges::find(outcome_.matches, match) == outcome_.matches.end()) outcome_.matches.emplace_back(match);
}

void Inspection::finish(bool whole) {
    if (gave_up_) return;
    if (decoder_ && decoder_->fault() == Reason::none)
        if (const Reason fault = decoder_->finish(); fault != Reason::none) {
            outcome_.add(Outcome::unscannable(fault));
            take_as_it_came({});
        }
    if (has_cr_) search(decoded_, "\r");
    if (hides_archive()) outcome_.add(Outcome::unscannable(Reason::undecodable, structure_engine));
    end_search(raw_);
    end_search(decoded_);
    if (!whole || partial_) outcome_.add(Outcome::unscannable(Reason::truncated));
    if (!is_hashing_) return;
    if (const auto digest = hash_->finish()) sha256_ = to_hex(*digest);
    else outcome_.add(Outcome::unscannable(Reason::overloaded, "hash"));
}

void Inspection::give_up(Reason reason) {
    gave_up_ = true;
    outcome_.add(Outcome::unscannable(reason));
}

void Inspection::leave_out_signatures() {
    ignores_signatures_ = true;
    if (setup_->body_patterns == 0) {
        raw_.reset();
        decoded_.reset();
    }
    if (outcome_.engine == signatures_engine || outcome_.verdict == Verdict::clean) outcome_ = is_hashing_ ? Outcome::clean() : Outcome{};
    outcome_.matches.clear();
}

void Inspection::skip() {
    gave_up_ = true;
    outcome_ = {};
    outcome_.reason = Reason::none;  // the rule's name says why
}

Decoder Inspection::another_decoder() const { return Decoder(codings_, setup_->limits, setup_->max_size); }

BodyFound Inspection::body_found() const {
    BodyFound found;
    for (std::size_t i = 0; i < setup_->body_patterns; ++i)
        if ((raw_ && raw_->holds(i)) || (decoded_ && decoded_->holds(i))) found.set(i);
    return found;
}

}  // namespace sluice::inspect

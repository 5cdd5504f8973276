// SPDX-License-Identifier: Apache-2.0
#include "inspect/inspection.h"

#include <algorithm>

namespace sluice::inspect {

namespace {

constexpr std::string_view signatures_engine = "signatures";

Reason reason_of(const Error& error) { return error.code == Errc::too_large ? Reason::too_deep : Reason::undecodable; }

std::string to_hex(const Sha256::Digest& digest) {
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    out.reserve(2 * digest.size());
    for (const std::uint8_t byte : digest) {
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
    return out;
}

}  // namespace

void Inspection::begin(const Setup& setup, const Declared& declared) {
    clear();
    setup_ = &setup;
    partial_ = declared.partial;
    outcome_ = setup.patterns ? Outcome::clean() : Outcome{};
    if (!declared.coding.empty()) {
        const auto codings = parse_content_encoding(declared.coding, setup.limits);
        if (!codings) outcome_.add(Outcome::unscannable(reason_of(codings.error())));
        else if (!codings->empty()) decoder_.emplace(*codings, setup.limits, setup.max_size);
    }
    if (setup.patterns) {
        const auto open = [&](std::optional<PatternStream>& stream) {
            auto opened = bench_.patterns.open(setup.patterns);
            if (opened) stream.emplace(std::move(*opened));
            else outcome_.add(Outcome::unscannable(Reason::overloaded, signatures_engine));
        };
        open(raw_);
        if (decoder_) open(decoded_);
    }
    if (setup.wants_sha256 && !hash_) hash_.emplace();
}

void Inspection::clear() {
    if (hash_ && content_size_ > 0 && sha256_.empty()) hash_.emplace();   // what it was fed is of no payload any more
    decoder_.reset();
    raw_.reset();
    decoded_.reset();
    first_.clear();
    type_ = {};
    outcome_ = {};
    partial_ = gave_up_ = false;
    size_ = content_size_ = 0;
    sha256_.clear();
}

void Inspection::feed(std::string_view bytes) {
    if (gave_up_ || bytes.empty()) return;
    size_ += bytes.size();
    if (size_ > setup_->max_size) return give_up(Reason::too_large);
    search(raw_, bytes);
    if (!decoder_) return see_content(bytes);
    if (decoder_->fault() != Reason::none) return;
    const Reason fault = decoder_->push(bytes, bench_.decoded, [&](std::string_view piece) {
        search(decoded_, piece);
        see_content(piece);
    });
    if (fault != Reason::none) outcome_.add(Outcome::unscannable(fault));
}

void Inspection::see_content(std::string_view bytes) {
    content_size_ += bytes.size();
    if (hash_ && setup_->wants_sha256) hash_->feed(bytes);
    if (first_.size() >= sniff_length) return;
    first_ += bytes.substr(0, sniff_length - first_.size());
    type_ = sniff(first_);
}

void Inspection::search(std::optional<PatternStream>& stream, std::string_view bytes) {
    if (!stream) return;
    if (!stream->feed(bytes)) {
        outcome_.add(Outcome::unscannable(Reason::overloaded, signatures_engine));
        stream.reset();
        return;
    }
    if (const std::string_view threat = stream->infected(); !threat.empty() && outcome_.verdict != Verdict::infected)
        outcome_.add(Outcome::infected(std::string(threat), signatures_engine));
}

void Inspection::end_search(std::optional<PatternStream>& stream) {
    if (!stream) return;
    if (!stream->finish()) return outcome_.add(Outcome::unscannable(Reason::overloaded, signatures_engine));
    if (const std::string_view threat = stream->infected(); !threat.empty()) outcome_.add(Outcome::infected(std::string(threat), signatures_engine));
    for (const std::string_view match : stream->matches())
        if (std::ranges::find(outcome_.matches, match) == outcome_.matches.end()) outcome_.matches.emplace_back(match);
}

void Inspection::finish(bool whole) {
    if (gave_up_) return;
    if (decoder_ && decoder_->fault() == Reason::none)
        if (const Reason fault = decoder_->finish(); fault != Reason::none) outcome_.add(Outcome::unscannable(fault));
    end_search(raw_);
    end_search(decoded_);
    if (!whole || partial_) outcome_.add(Outcome::unscannable(Reason::truncated));
    if (!hash_ || !setup_->wants_sha256) return;
    if (const auto digest = hash_->finish()) sha256_ = to_hex(*digest);
    else outcome_.add(Outcome::unscannable(Reason::overloaded, "hash"));
}

void Inspection::give_up(Reason reason) {
    gave_up_ = true;
    outcome_.add(Outcome::unscannable(reason));
}

void Inspection::leave_out_signatures() {
    raw_.reset();
    decoded_.reset();
    if (outcome_.engine == signatures_engine) outcome_ = Outcome{};
    else if (outcome_.verdict == Verdict::clean) outcome_ = Outcome{};
}

void Inspection::skip() {
    gave_up_ = true;
    outcome_ = {};
    outcome_.reason = Reason::none;                      // the rule's name says why
}

bool Inspection::holds(std::size_t body_pattern) const { return (raw_ && raw_->holds(body_pattern)) || (decoded_ && decoded_->holds(body_pattern)); }

}  // namespace sluice::inspect

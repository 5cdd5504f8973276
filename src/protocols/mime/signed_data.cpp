// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/signed_data.h"

#include <algorithm>
#include <array>

namespace sluice::mime {
namespace {

constexpr unsigned char integer = 0x02;
constexpr unsigned char octet_string = 0x04;
constexpr unsigned char identifier = 0x06;
constexpr unsigned char sequence = 0x30;
constexpr unsigned char set = 0x31;
constexpr unsigned char explicit_0 = 0xa0;
constexpr unsigned char is_constructed = 0x20;
constexpr unsigned char other_class = 0xc0;
constexpr unsigned char long_tag = 0x1f;

constexpr std::uint64_t no_end = UINT64_MAX;
constexpr std::uint64_t longest_value = std::uint64_t{1} << 32U;
constexpr std::size_t longest_identifier = 32;
constexpr std::size_t deepest = 32;  // elements in one another; honest senders have two

using std::string_view_literals::operator""sv;
constexpr std::string_view pkcs7 = "\x2a\x86\x48\x86\xf7\x0d\x01\x07"sv;  // 1.2.840.113549.1.7
constexpr std::string_view smime = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01"sv;  // 1.2.840.113549.1.9.16.1

struct Known {
    std::string_view arc;
    char last;
    SignedData::Kind kind;
};
constexpr std::array known{
    Known{pkcs7, 2, SignedData::Kind::signed_data},
    Known{pkcs7, 3, SignedData::Kind::encrypted},
    Known{pkcs7, 4, SignedData::Kind::encrypted},  // signed and enveloped
    Known{pkcs7, 6, SignedData::Kind::encrypted},
    Known{smime, 23, SignedData::Kind::encrypted},  // authenticated and enveloped (RFC 5083)
    Known{smime, 9, SignedData::Kind::other},  // compressed (RFC 3274)
};

SignedData::Kind kind_of(std::string_view id) {
    for (const Known& one : known)
        if (id.size() == one.arc.size() + 1 && id.starts_with(one.arc) && id.back() == one.last) return one.kind;
    return SignedData::Kind::unknown;
}

// Octets of a length: the first, and those that it announces.
std::size_t length_size(unsigned char first) { return first < 0x80 ? 1 : 1 + (first & 0x7fU); }

}  // namespace

std::optional<bool> SignedData::is_begun_by(std::string_view beginning) {
    if (beginning.empty()) return std::nullopt;
    if (static_cast<unsigned char>(beginning[0]) != sequence) return false;
    if (beginning.size() < 2) return std::nullopt;
    const std::size_t at = 1 + length_size(static_cast<unsigned char>(beginning[1]));
    if (at > 9) return false;
    if (beginning.size() < at + 2) return std::nullopt;
    if (static_cast<unsigned char>(beginning[at]) != identifier) return false;
    const auto size = static_cast<unsigned char>(beginning[at + 1]);
    if (size > smime.size() + 1) return false;
    if (beginning.size() < at + 2 + size) return std::nullopt;
    return kind_of(beginning.substr(at + 2, size)) != Kind::unknown;
}

void SignedData::feed(std::string_view in) {
    while (!in.empty() && !is_over()) {
        if (left_ == 0) {
            header_ += in.front();
            in.remove_prefix(1);
            ++position_;
            if (has_header()) element();
            continue;
        }
        const std::string_view now = in.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size())));
        in.remove_prefix(now.size());
        position_ += now.size();
        left_ -= now.size();
        if (step_ == Step::octets || step_ == Step::pieces) listener_.on_content(now);
        else if (step_ == Step::kind || step_ == Step::content_type) value_ += now;
        if (left_ == 0) value_over();
    }
}

bool SignedData::has_header() const {
    return header_.size() >= 2 && header_.size() == 1 + length_size(static_cast<unsigned char>(header_[1]));
}

void SignedData::element() {
    Element now{.tag = static_cast<unsigned char>(header_[0]), .size = 0, .end = no_end};
    const auto first = static_cast<unsigned char>(header_[1]);
    if (first == 0x80) now.size.reset();
    else if (first < 0x80) now.size = first;
    for (std::size_t i = 2; i < header_.size() && *now.size <= longest_value; ++i)
        now.size = *now.size << 8U | static_cast<unsigned char>(header_[i]);
    header_.clear();
    // An element without a length has others in it, or its end would not be known.
    const bool is_bad = (now.tag & long_tag) == long_tag || (now.size ? *now.size > longest_value : (now.tag & is_constructed) == 0);
    if (is_bad) {
        step_ = Step::broken;
        return;
    }
    if (now.size) now.end = position_ + *now.size;
    const std::uint64_t bound = pieces_.empty() || pieces_.back() == no_end ? end_ : pieces_.back();
    if (now.size && now.end > bound) is_odd_ = true;
    const auto expect = [&](unsigned char tag) {
        if (now.tag != tag) step_ = Step::broken;
        return now.tag == tag;
    };
    switch (step_) {
        case Step::content_info:
            if (expect(sequence)) enter(now, Step::kind);
            break;
        case Step::kind:
        case Step::content_type:
            if (expect(identifier)) keep(now);
            break;
        case Step::explicit_content:
            if (expect(explicit_0)) enter(now, Step::signed_data);
            break;
        case Step::signed_data:
            if (expect(sequence)) enter(now, Step::version);
            break;
        case Step::version:
            if (expect(integer)) skip(now, Step::algorithms);
            break;
        case Step::algorithms:
            if (expect(set)) skip(now, Step::encapsulated);
            break;
        case Step::encapsulated:
            encapsulated_end_ = now.end;
            if (expect(sequence)) enter(now, Step::content_type);
            break;
        case Step::explicit_octets:
            if (now.tag == 0) step_ = Step::over;  // the content is elsewhere
            else if (expect(explicit_0)) enter(now, Step::octets);
            break;
        case Step::octets:
            if ((now.tag & ~is_constructed) == octet_string) piece(now);
            else step_ = Step::broken;
            break;
        case Step::pieces: piece(now); break;
        case Step::skipped: skip(now, behind_skipped_); break;
        case Step::over:
        case Step::broken: break;
    }
}

void SignedData::enter(const Element& element, Step next) {
    end_ = std::min(end_, element.end);
    step_ = next;
}

void SignedData::keep(const Element& element) {
    value_.clear();
    left_ = *element.size;
    if (left_ == 0 || left_ > longest_identifier) step_ = Step::broken;
}

void SignedData::skip(const Element& element, Step next) {
    behind_skipped_ = next;
    const bool is_end = element.tag == 0 && skipped_depth_ > 0;
    if (is_end) --skipped_depth_;
    else if (!element.size) ++skipped_depth_;
    step_ = skipped_depth_ > 0 ? Step::skipped : next;
    if (skipped_depth_ > deepest) step_ = Step::broken;
    if (!is_end && element.size) left_ = *element.size;
}

// A string of octets, or of pieces which are strings. Some readers take pieces of whatever type.
void SignedData::piece(const Element& element) {
    step_ = Step::pieces;
    if (element.tag == 0) {
        if (pieces_.empty() || pieces_.back() != no_end) is_odd_ = true;
        else pieces_.pop_back();
        return close_pieces();
    }
    if ((element.tag & ~is_constructed) != octet_string) is_odd_ = true;
    if ((element.tag & other_class) != 0 || pieces_.size() == deepest) {
        step_ = Step::broken;
        return;
    }
    if ((element.tag & is_constructed) != 0) pieces_.push_back(element.end);
    else left_ = *element.size;
    if (left_ == 0) close_pieces();
}

void SignedData::close_pieces() {
    while (!pieces_.empty() && pieces_.back() <= position_) pieces_.pop_back();
    if (pieces_.empty()) step_ = Step::over;
}

void SignedData::value_over() {
    if (step_ == Step::kind) {
        judge_kind();
    } else if (step_ == Step::content_type) {
        step_ = position_ >= encapsulated_end_ ? Step::over : Step::explicit_octets;
    } else if (step_ == Step::pieces) {
        close_pieces();
    }
}

void SignedData::judge_kind() {
    kind_ = kind_of(value_);
    if (kind_ == Kind::unknown) step_ = Step::broken;
    else step_ = kind_ == Kind::signed_data ? Step::explicit_content : Step::over;
}

}  // namespace sluice::mime

// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_addresses.h"

#include <algorithm>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/encoded_word.h"

namespace sluice::mime {
namespace {

bool is_address(std::string_view text) {
    const std::size_t at = text.find('@');
    return at != std::string_view::npos && at > 0 && at + 1 < text.size();
}

// One mailbox at a time: what stands in angles, the words before it, and all of it together. Its strings are used again: there may be many.
class Mailbox {
public:
    void add(char c) { (is_in_angle_ ? angles_ : plain_) += c; }
    void add_quoted(char c) {
        add(c);
        if (!is_in_angle_) has_quoted_ = true;
    }
    void blank() {
        if (!is_in_angle_) end_word();
    }
    void open() {
        blank();
        end_angle();
        is_in_angle_ = true;
    }
    void close() { end_angle(); }
    bool is_in_angle() const { return is_in_angle_; }
    // Of a group.
    void name_ends() {
        plain_.clear();
        words_.clear();
        word_ = 0;
        has_quoted_ = false;
    }

    // It is over: gives each text that may be an address.
    template <class Give>
    void take(Give&& give) {
        blank();
        end_angle();
        if (angle_ends_.empty()) give(std::string_view(plain_));
        for (const Span& one : words_)
            if (one.size < plain_.size() || !angle_ends_.empty()) give(std::string_view(plain_).substr(one.begin, one.size));
        std::size_t begin = 0;
        for (const std::size_t end : angle_ends_) {
            give(std::string_view(angles_).substr(begin, end - begin));
            begin = end;
        }
        name_ends();
        angles_.clear();
        angle_ends_.clear();
    }

private:
    struct Span {
        std::size_t begin;
        std::size_t size;
    };

    void end_angle() {
        is_in_angle_ = false;
        const std::size_t before = angle_ends_.empty() ? 0 : angle_ends_.back();
        if (angles_.size() > before) angle_ends_.push_back(angles_.size());
    }
    // A display name may have an address in quotes or in an encoded word, which is none of the sender's.
    void end_word() {
        const std::string_view word = std::string_view(plain_).substr(word_);
        if (!has_quoted_ && is_address(word) && !word.contains("=?")) words_.push_back({word_, word.size()});
        word_ = plain_.size();
        has_quoted_ = false;
    }

    bool is_in_angle_ = false;
    bool has_quoted_ = false;  // within the current word
    std::size_t word_ = 0;  // begins the current one
    std::string plain_;
    std::vector<Span> words_;  // of it that are addresses
    std::string angles_;  // what stood in them, one behind the other
    std::vector<std::size_t> angle_ends_;
};

class Collector {
public:
    Collector(std::size_t most, std::vector<std::string>& into) : most_(most), into_(into) {}

    // `undoes_words`: encoded ones, which do not nest.
    void read(std::string_view text, bool undoes_words);
    bool is_full() const { return is_full_; }

private:
    bool read(std::string_view text, bool undoes_words, bool knows_quotes);
    void give(std::string_view text, bool undoes_words);

    std::size_t most_;
    std::vector<std::string>& into_;
    bool is_full_ = false;
};

void Collector::give(std::string_view text, bool undoes_words) {
    if (undoes_words && text.contains("=?"))
        if (const DecodedWords words = decode_words(text); words.has_words) return read(words.text, false);
    // A source route stands before the last of its colons.
    if (text.starts_with('@') && text.contains(':')) text.remove_prefix(text.rfind(':') + 1);
    while (text.ends_with('.')) text.remove_suffix(1);
    if (!text.contains('@')) return;
    std::string address;
    for (const char c : text)
        if (c != '\r' && c != '\n' && c != '\0') address += to_lower(c);
    address = to_utf8(address, {});
    if (std::ranges::find(into_, address) != into_.end()) return;
    if (into_.size() >= most_) is_full_ = true;
    else into_.push_back(std::move(address));
}

// False: a quote or a comment has no end.
bool Collector::read(std::string_view text, bool undoes_words, bool knows_quotes) {
    Mailbox mailbox;
    const auto give_mailbox = [&] { mailbox.take([&](std::string_view one) { give(one, undoes_words); }); };
    std::size_t comment = 0;
    bool is_quoted = false;
    for (std::size_t i = 0; i < text.size() && !is_full_; ++i) {
        const char c = text[i];
        const bool is_escape = c == '\\' && (is_quoted || comment > 0) && i + 1 < text.size();
        if (is_escape) {
            ++i;
            if (is_quoted) mailbox.add_quoted(text[i]);
        } else if (is_quoted) {
            if (c == '"') is_quoted = false;
            else mailbox.add_quoted(c);
        } else if (comment > 0) {
            if (c == '(') ++comment;
            if (c == ')') --comment;
        } else if (c == '"') {
            is_quoted = knows_quotes;
        } else if (c == '(' || (c == ')' && !knows_quotes)) {
            mailbox.blank();
            comment += knows_quotes ? 1 : 0;
        } else if (c == '<') {
            mailbox.open();
        } else if (c == '>') {
            mailbox.close();
        } else if ((c == ',' && !mailbox.is_in_angle()) || c == ';') {
            give_mailbox();
        } else if (c == ':' && !mailbox.is_in_angle()) {
            mailbox.name_ends();
        } else if (c == ' ' || c == '\t') {
            mailbox.blank();
        } else {
            mailbox.add(c);
        }
    }
    if (is_quoted || comment > 0) return false;
    give_mailbox();
    return true;
}

void Collector::read(std::string_view text, bool undoes_words) {
    if (!read(text, undoes_words, true)) read(text, undoes_words, false);
}

}  // namespace

bool add_addresses(std::string_view text, std::size_t most, std::vector<std::string>& into) {
    Collector collector(most, into);
    collector.read(text, true);
    return !collector.is_full();
}

}  // namespace sluice::mime

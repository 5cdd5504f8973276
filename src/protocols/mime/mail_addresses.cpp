// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_addresses.h"

#include <algorithm>

#include "base/text.h"
#include "protocols/mime/charset.h"

namespace sluice::mime {
namespace {

// One mailbox at a time: what stands in angles is the address, else all that is no comment.
class Mailbox {
public:
    void add(char c) { (is_in_angle_ ? angle_ : plain_) += c; }
    void open() {
        is_in_angle_ = true;
        angle_.clear();
    }
    void close() { is_in_angle_ = false; }
    bool is_in_angle() const { return is_in_angle_; }
    void name_ends() { plain_.clear(); }  // of a group

    std::string take() {
        std::string out;
        std::string_view text = angle_.empty() ? plain_ : angle_;
        // A source route stands before the last of its colons.
        if (text.starts_with('@') && text.contains(':')) text.remove_prefix(text.rfind(':') + 1);
        for (const char c : text)
            if (c != '\r' && c != '\n' && c != '\0') out += to_lower(c);
        plain_.clear();
        angle_.clear();
        is_in_angle_ = false;
        return out.contains('@') ? to_utf8(out, {}) : std::string();
    }

private:
    bool is_in_angle_ = false;
    std::string plain_;
    std::string angle_;
};

}  // namespace

void add_addresses(std::string_view text, std::size_t most, std::vector<std::string>& into) {
    Mailbox mailbox;
    const auto give = [&] {
        std::string address = mailbox.take();
        if (!address.empty() && into.size() < most && std::ranges::find(into, address) == into.end()) into.push_back(std::move(address));
    };
    std::size_t comment = 0;
    bool is_quoted = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool is_escape = c == '\\' && (is_quoted || comment > 0) && i + 1 < text.size();
        if (is_escape) {
            ++i;
            if (is_quoted) mailbox.add(text[i]);
        } else if (is_quoted) {
            if (c == '"') is_quoted = false;
            else mailbox.add(c);
        } else if (comment > 0) {
            if (c == '(') ++comment;
            if (c == ')') --comment;
        } else if (c == '(') {
            ++comment;
        } else if (c == '"') {
            is_quoted = true;
        } else if (c == '<') {
            mailbox.open();
        } else if (c == '>') {
            mailbox.close();
        } else if ((c == ',' && !mailbox.is_in_angle()) || c == ';') {
            give();
        } else if (c == ':' && !mailbox.is_in_angle()) {
            mailbox.name_ends();
        } else if (c != ' ' && c != '\t') {
            mailbox.add(c);
        }
        if (into.size() >= most) return;
    }
    give();
}

}  // namespace sluice::mime

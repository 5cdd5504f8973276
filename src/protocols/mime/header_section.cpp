// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/header_section.h"

#include <algorithm>

#include "base/text.h"
#include "protocols/mime/line_break.h"

namespace sluice::mime {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool is_mbox_line(std::string_view line) { return line.starts_with("From ") || line.starts_with(">From "); }

std::string_view without_break(std::string_view line) {
    if (line.ends_with('\n')) line.remove_suffix(1);
    while (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

// RFC 5322 2.2. Where a name has other octets the header section ends there for some, and what follows is content; others take the name without them, or
// leave out the field.
bool is_field_name(std::string_view name) {
    return std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });  // none beyond ASCII: they are negative, or greater
}

void remove_nuls(std::string& text, MailOutput& output) {
    if (!text.contains('\0')) return;
    output.note(Ambiguity::bad_header, Reading::last_wins);
    if (output.reading() != Reading::last_wins) {
        std::erase(text, '\0');
        return;
    }
    // As those read whose strings end there.
    std::string kept;
    bool has_ended = false;
    for (const char c : text) {
        has_ended = (has_ended || c == '\0') && c != '\n' && c != '\r';
        if (!has_ended) kept += c;
    }
    text = std::move(kept);
}

// A bare CR ends a line for some, and not for others.
void note_bare_crs(std::string_view text, MailOutput& output) {
    for (std::size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at + 1)) {
        if (at + 1 < text.size() && text[at + 1] == '\n') continue;
        output.note(Ambiguity::bad_header, Reading::last_wins, Reading::sweep);
        return;
    }
}

// Small letters, without what is none of a name at its ends: some readers take it away.
std::string name_of(std::string_view name) {
    while (!name.empty() && !is_field_name(name.substr(0, 1))) name.remove_prefix(1);
    while (!name.empty() && !is_field_name(name.substr(name.size() - 1))) name.remove_suffix(1);
    return lower(name);
}

std::string_view trimmed(std::string_view value) {
    const std::size_t begin = value.find_first_not_of(" \t\r\n");
    if (begin == std::string_view::npos) return {};
    return value.substr(begin, value.find_last_not_of(" \t\r\n") + 1 - begin);
}

}  // namespace

void HeaderSection::append(std::string_view octets) {
    size_ += octets.size();
    // A line that goes beyond the bound is looked at still, because it may be a boundary: as far as one may be long.
    const std::size_t most = output_.limits().mail_header_bytes + output_.limits().mail_text;
    const std::size_t room = is_full_ ? line_ + output_.limits().mail_text : most;
    if (text_.size() + octets.size() > room) {
        output_.note(Ambiguity::too_many);
        octets = octets.substr(0, room - std::min(room, text_.size()));
    }
    text_ += octets;
}

HeaderSection::Event HeaderSection::next(std::string_view& in) {
    if (in.empty()) return Event::need_more;
    if (is_line_over_) {
        if (is_full_) drop_line();
        line_ = text_.size();
        is_full_ |= line_ >= output_.limits().mail_header_bytes;
        is_line_over_ = false;
    }
    if (is_behind_cr_) {
        is_behind_cr_ = false;
        if (in.front() == '\n') {
            append(in.substr(0, 1));
            in.remove_prefix(1);
        }
        return line_over();
    }
    const bool ends_at_cr = output_.reading() == Reading::last_wins;
    const std::size_t end = std::min(ends_at_cr ? find_line_break(in, 0) : in.find('\n'), in.size());
    if (end == in.size()) {
        append(in);
        in = {};
        return Event::need_more;
    }
    is_behind_cr_ = in[end] == '\r';
    append(in.substr(0, end + 1));
    in.remove_prefix(end + 1);
    return is_behind_cr_ ? next(in) : line_over();
}

HeaderSection::Event HeaderSection::finish() {
    if (is_line_over_) return Event::need_more;
    return line_over();
}

std::string_view HeaderSection::line() const { return without_break(line_with_break()); }

HeaderSection::Event HeaderSection::line_over() {
    is_line_over_ = true;
    const std::string_view now = line();
    if (now.empty()) return Event::end;
    if (is_full_) output_.note(Ambiguity::too_many);
    const Reading reading = output_.reading();
    if (reading == Reading::usual) return Event::line;
    // Others take a line of blanks for the empty one.
    if (now.find_first_not_of(" \t") == std::string_view::npos) return Event::end;
    const bool is_first = line_ == 0;
    const std::size_t colon = now.find(':');
    const bool has_name = colon != std::string_view::npos && is_field_name(now.substr(0, colon));
    const bool is_field = is_blank(now.front()) ? !is_first : has_name || (is_first && is_mbox_line(now));
    return is_field || reading != Reading::strict || is_full_ ? Event::line : Event::body;
}

void HeaderSection::clear() {
    if (text_.capacity() > output_.limits().mail_text) text_ = std::string();
    text_.clear();
    line_ = 0;
    size_ = 0;
    is_line_over_ = true;
    is_full_ = false;
    is_behind_cr_ = false;
}

std::vector<HeaderField> header_fields(std::string& text, MailOutput& output) {
    remove_nuls(text, output);
    const bool ends_at_cr = output.reading() == Reading::last_wins;
    if (!ends_at_cr) note_bare_crs(text, output);
    std::vector<HeaderField> out;
    const std::string_view all = text;
    const std::size_t most = std::min(all.size(), output.limits().mail_header_bytes);
    for (std::size_t begin = 0, end = 0; begin < most; begin = end) {
        end = std::min(ends_at_cr ? find_line_break(all, begin) : all.find('\n', begin), all.size());
        if (end < all.size()) end += ends_at_cr && all.substr(end).starts_with("\r\n") ? 2 : 1;
        const std::string_view line = without_break(all.substr(begin, end - begin));
        if (line.empty()) break;
        if (is_blank(line.front())) {
            // Of blanks alone: for some it ends the header.
            if (line.find_first_not_of(" \t") == std::string_view::npos) output.note(Ambiguity::bad_header, Reading::last_wins);
            if (out.empty()) {
                output.note(Ambiguity::bad_header, Reading::strict);
                continue;
            }
            HeaderField& field = out.back();
            field.value = {field.value.data(), static_cast<std::size_t>(line.data() + line.size() - field.value.data())};
            continue;
        }
        const std::size_t colon = line.find(':');
        if (colon == std::string_view::npos || (begin == 0 && is_mbox_line(line))) {
            if (begin != 0 || !is_mbox_line(line)) output.note(Ambiguity::bad_header, Reading::strict);
            continue;
        }
        HeaderField field{name_of(line.substr(0, colon)), line.substr(colon + 1)};
        field.is_odd = colon == 0 || !is_field_name(line.substr(0, colon));
        if (field.is_odd) output.note(Ambiguity::bad_header, Reading::strict, Reading::sweep);
        out.push_back(std::move(field));
    }
    for (HeaderField& field : out) field.value = trimmed(field.value);
    return out;
}

std::string unfolded(std::string_view value) {
    std::string out(value);
    std::erase_if(out, [](char c) { return c == '\r' || c == '\n'; });
    return out;
}

}  // namespace sluice::mime

// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_entity.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/text.h"
#include "protocols/mime/encoded_word.h"
#include "protocols/mime/mail_head.h"
#include "protocols/mime/mail_names.h"
#include "protocols/mime/mail_parameters.h"
#include "protocols/mime/parameters.h"

namespace sluice::mime {
namespace {

constexpr std::size_t longest_boundary = 70;  // RFC 2046 5.1.1

class EntityReader {
public:
    EntityReader(std::span<const HeaderField> fields, Place place, MailOutput& output)
        : fields_(fields),
          place_(place),
          output_(output),
          reading_(output.reading()) {}

    MailEntity read();

private:
    std::vector<std::string_view> values(std::string_view name);
    std::string_view chosen(const std::vector<std::string_view>& values) const;
    void read_type();
    void read_boundary(std::string_view value);
    std::optional<std::string> hidden_boundary(std::string_view value, const std::vector<std::string>& known);
    std::string other_boundary(const ParameterReadings& said, const MailParameter& first);
    void judge_boundary(std::string_view boundary);
    void take_boundary(std::string boundary);
    void read_codings();
    std::vector<std::string_view> few(std::vector<std::string_view> values);
    void read_disposition();
    void read_names(std::string_view value, std::span<const std::string_view> parameters, MailNames& names);
    void judge_version();
    bool is_text() const { return entity_.type.starts_with("text/"); }

    std::span<const HeaderField> fields_;
    Place place_;
    MailOutput& output_;
    Reading reading_;
    MailEntity entity_;
    MailField type_field_;
};

// All of that name; that they differ is noted.
std::vector<std::string_view> EntityReader::values(std::string_view name) {
    std::vector<std::string_view> out;
    for (const HeaderField& field : fields_)
        if (field.name == name && !(field.is_odd && reading_ == Reading::strict)) out.push_back(field.value);
    const auto differs = [&](std::string_view value) { return value != out.front(); };
    if (out.size() > 1 && std::ranges::any_of(out, differs)) {
        output_.note(Ambiguity::duplicate_header, Reading::last_wins);
        if (out.size() > 2) output_.note(Ambiguity::duplicate_header, Reading::sweep);
    }
    return out;
}

std::string_view EntityReader::chosen(const std::vector<std::string_view>& values) const {
    if (values.empty()) return {};
    return reading_ == Reading::last_wins ? values.back() : values.front();
}

// Whether a field that is no multipart at its beginning speaks of one.
std::size_t container_within(std::string_view value) {
    const std::string small = lower(value);
    return std::min(small.find("multipart/"), small.find("message/"));
}

void EntityReader::read_type() {
    const auto said = values("content-type");
    // A type that cannot be parsed says as little as none does; others see a text there.
    const bool is_message_unless_said = place_ == Place::digest && (said.empty() || reading_ != Reading::strict);
    if (is_message_unless_said) entity_.type = "message/rfc822";
    std::string_view value = chosen(said);
    std::string decoded;
    if (value.contains("=?") && container_within(value) != 0) {
        DecodedWords words = decode_words(unfolded(value));
        if (words.has_words && container_within(words.text) == 0) {
            output_.note(Ambiguity::bad_encoded_word, Reading::last_wins);
            decoded = std::move(words.text);
            if (reading_ == Reading::last_wins) value = decoded;
        }
    }
    type_field_ = parse_mail_field(value, output_.limits());
    if (type_field_.parameters.size() == output_.limits().mail_parameters) output_.note(Ambiguity::bad_content_type);
    const std::size_t container = container_within(value);
    const bool is_odd = type_field_.is_odd || (type_field_.has_stray_word && container != std::string_view::npos);
    if (is_odd && !value.empty()) {
        if (container != std::string_view::npos) {
            output_.note(Ambiguity::bad_content_type, Reading::last_wins, Reading::strict);
            output_.note(Ambiguity::bad_content_type, Reading::sweep);
            if (container > 0 && reading_ == Reading::last_wins) type_field_ = parse_mail_field(value.substr(container), output_.limits());
            if (reading_ == Reading::strict) type_field_ = {};
        } else if (!type_field_.value.starts_with("text") || type_field_.value.contains("/") != (type_field_.value.size() > 4)) {
            output_.note(Ambiguity::bad_content_type, Reading::last_wins, Reading::sweep);
        }
    }
    std::string& type = type_field_.value;
    // For some a main type is enough, whatever is behind it.
    const std::string_view main_type = std::string_view(type).substr(0, type.size() - (type.ends_with('/') ? 1 : 0));
    if (main_type == "multipart" || main_type == "message") {
        output_.note(Ambiguity::bad_content_type, Reading::last_wins);
        if (reading_ == Reading::last_wins) type = main_type == "multipart" ? "multipart/mixed" : "message/rfc822";
    }
    const bool is_type = type.find('/') != std::string::npos && type.front() != '/' && type.back() != '/';
    if (is_type) entity_.type = type;
    else if (place_ == Place::digest && !said.empty()) output_.note(Ambiguity::bad_content_type, Reading::strict, Reading::sweep);
    if (entity_.type.size() > output_.limits().mail_text) entity_.type.resize(output_.limits().mail_text);
    const std::string_view now = entity_.type;
    if (now.starts_with("multipart/")) entity_.kind = MailEntity::Kind::multipart;
    for (const std::string_view one : {"message/rfc822", "message/rfc2822", "message/global", "message/news"})
        if (now == one) entity_.kind = MailEntity::Kind::message;
    if (now == "message/partial" || now == "message/external-body") output_.note(Ambiguity::partial_message);
    read_boundary(value);
}

// How often something in `value` looks like a boundary's parameter.
std::size_t boundaries_within(std::string_view value) {
    static constexpr std::string_view name = "boundary";
    const std::string small = lower(value);
    std::size_t count = 0;
    for (std::size_t at = small.find(name); at != std::string::npos; at = small.find(name, at)) {
        at += name.size();
        const std::size_t behind = small.find_first_not_of(" \t\r\n*0123456789\"'", at);
        if (behind != std::string::npos && small[behind] == '=') ++count;
    }
    return count;
}

// One in a comment, or behind a quote that a backslash makes plain: there for readers that know neither.
std::optional<std::string> EntityReader::hidden_boundary(std::string_view value, const std::vector<std::string>& known) {
    const auto parsed = std::ranges::count(type_field_.parameters, "boundary", &MailParameter::name);
    if (!type_field_.has_comment && boundaries_within(value) <= static_cast<std::size_t>(parsed)) return std::nullopt;
    output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
    if (reading_ != Reading::last_wins) return std::nullopt;
    for (std::string& one : parse_mail_field(value, output_.limits(), FieldGrammar::bare).find("boundary").values)
        if (std::ranges::find(known, one) == known.end()) return std::move(one);
    return std::nullopt;
}

void EntityReader::read_boundary(std::string_view value) {
    ParameterReadings said = type_field_.find("boundary");
    if (entity_.kind != MailEntity::Kind::multipart) {
        if (!said.values.empty()) entity_.other_boundary.text = said.values.front();
        return;
    }
    if (said.values.size() > 1) {
        output_.note(Ambiguity::duplicate_parameter, Reading::last_wins);
        if (said.values.size() > 2) output_.note(Ambiguity::duplicate_parameter, Reading::sweep);
    }
    if (said.plain == 0 && !said.values.empty()) {
        output_.note(Ambiguity::bad_boundary, Reading::strict, Reading::sweep);
        if (reading_ == Reading::strict) said.values.clear();
    }
    if (std::optional<std::string> hidden = hidden_boundary(value, said.values)) return take_boundary(std::move(*hidden));
    if (said.values.empty() || said.values.front().empty()) {
        // Some take the first line that looks like one.
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
        return;
    }
    const MailParameter& first = *std::ranges::find(type_field_.parameters, "boundary", &MailParameter::name);
    if (first.is_odd || !first.raw.empty() || first.is_folded) output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
    const bool takes_other = reading_ == Reading::last_wins;
    std::string boundary = takes_other ? other_boundary(said, first) : said.values.front();
    judge_boundary(boundary);
    if (takes_other) {
        if (const DecodedWords words = decode_words(boundary); words.has_words) boundary = words.text;
        boundary = trim(boundary);
        if (boundary.size() > longest_boundary) boundary.resize(longest_boundary);
    }
    take_boundary(std::move(boundary));
    if (first.is_quoted || first.is_extended || first.section >= 0) return;
    const std::string& text = entity_.boundary.text;
    entity_.boundary.prefix.assign(text.begin(), std::ranges::find_if_not(text, is_token_octet));
    if (entity_.boundary.prefix == text) entity_.boundary.prefix.clear();
}

std::string EntityReader::other_boundary(const ParameterReadings& said, const MailParameter& first) {
    std::string out = said.values.size() == 1 && !first.raw.empty() ? first.raw : said.values.back();
    if (first.is_folded) std::erase_if(out, [](char c) { return c == ' ' || c == '\t'; });
    return out;
}

void EntityReader::take_boundary(std::string boundary) {
    boundary.resize(std::min(boundary.size(), output_.limits().mail_text / 2));
    entity_.boundary.text = boundary.substr(0, boundary.find_last_not_of(" \t") + 1);
}

void EntityReader::judge_boundary(std::string_view boundary) {
    const auto is_bad = [](char c) {
        return c == '\\' || c == '"' || c == ';' || static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f;
    };
    if (trim(boundary).size() != boundary.size() || boundary.size() > longest_boundary || std::ranges::any_of(boundary, is_bad))
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
    if (boundary.contains("=?") && decode_words(boundary).has_words)
        output_.note(Ambiguity::bad_encoded_word, Reading::last_wins, Reading::sweep);
}

std::optional<Coding> coding_named(std::string_view name) {
    for (const std::string_view one : {"7bit", "8bit", "binary", "", "7-bit", "8-bit", "7bits", "8bits"})
        if (name == one) return Coding::identity;
    if (name == "base64") return Coding::base64;
    if (name == "quoted-printable") return Coding::quoted_printable;
    for (const std::string_view one : {"x-uuencode", "x-uue", "uuencode", "x-uu"})
        if (name == one) return Coding::uuencode;
    return std::nullopt;
}

// A value with a comment that names no coding: for readers that know no comments it is a coding that nobody knows, and not undone either.
bool is_commented_alone(const MailField& field, std::string_view value) {
    if (field.is_odd || field.has_comment || field.has_stray_word || !field.parameters.empty() || value.contains(';')) return false;
    const std::string small = lower(value);
    return !small.contains("64") && !small.contains("quoted") && !small.contains("uu") && !small.contains("=?");
}

void EntityReader::read_codings() {
    const auto said = values("content-transfer-encoding");
    if (said.empty()) return;
    std::vector<Coding> codings;
    bool is_odd = said.size() > 1 && std::ranges::any_of(said, [&](std::string_view one) { return one != said.front(); });
    const auto take = [&](std::string_view value) {
        const MailField field = parse_mail_field(value, output_.limits());
        const auto coding = coding_named(field.value);
        const bool is_plain = equals_ignoring_case(field.value, value) || (coding == Coding::identity && is_commented_alone(field, value));
        if (!is_plain || !coding) {
            output_.note(Ambiguity::bad_transfer_encoding, Reading::strict);
            is_odd = true;
        }
        codings.push_back(!coding || (!is_plain && reading_ == Reading::strict) ? Coding::identity : *coding);
    };
    for (const std::string_view value : said) take(value);
    if (reading_ == Reading::last_wins) std::ranges::reverse(codings);
    if (is_odd && reading_ != Reading::strict) codings.insert(codings.end(), {Coding::identity, Coding::base64, Coding::quoted_printable});
    entity_.codings.clear();
    for (const Coding one : codings)
        if (std::ranges::find(entity_.codings, one) == entity_.codings.end()) entity_.codings.push_back(one);
    if (entity_.kind == MailEntity::Kind::leaf) return;
    // RFC 2045 6.4: neither may be encoded. Readers undo it for messages, mostly, and not for multiparts.
    if (entity_.codings.front() != Coding::identity || is_odd)
        output_.note(Ambiguity::bad_transfer_encoding, Reading::last_wins, Reading::sweep);
    const bool undoes = (entity_.kind == MailEntity::Kind::message) == (reading_ == Reading::usual);
    if (!undoes || reading_ == Reading::strict) entity_.codings = {Coding::identity};
}

// As it stands between its quotes, but for those that a backslash makes plain.
std::string unquoted(std::string_view raw) {
    if (raw.starts_with('"')) raw = raw.substr(1, raw.rfind('"') - 1);  // an open one: all
    std::string out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] == '\\' && i + 1 < raw.size() && (raw[i + 1] == '"' || raw[i + 1] == '\\')) ++i;
        out += raw[i];
    }
    return out;
}

std::string without_comments(std::string_view text) {
    std::string out;
    std::size_t depth = 0;
    for (const char c : text) {
        if (c == '(') ++depth;
        else if (c == ')' && depth > 0) --depth;
        else if (depth == 0) out += c;
    }
    return out;
}

// What other readers make of a parameter's value.
void add_other_names(const MailParameter& one, MailNames& names) {
    if (!one.raw.empty()) {
        names.add(unquoted(one.raw));
        if (one.raw.contains('(')) names.add(without_comments(unquoted(one.raw)));
    }
    if (!one.joined.empty()) names.add(one.joined);
    if (one.is_quoted || one.is_extended || one.section >= 0) return;
    // Without quotes it ends at a blank for some, and at what is none of a token for others.
    const std::string_view value = one.value;
    if (const std::size_t blank = value.find_first_of(" \t"); blank != std::string_view::npos) names.add(value.substr(0, blank));
    const auto end = std::ranges::find_if(value, [](char c) { return static_cast<unsigned char>(c) < 0x80 && !is_token_octet(c); });
    if (end != value.end()) names.add(std::string_view(value.begin(), end));
}

void add_names(const MailField& field, std::string_view parameter, MailNames& names, MailOutput& output) {
    const ParameterReadings found = field.find(parameter);
    bool is_good = !found.is_broken;
    // RFC 2231's is preferred.
    for (std::size_t i = found.plain; i < found.values.size(); ++i) is_good &= names.add(found.values[i]);
    // Of a path with backslashes nobody's last segment loses them, whatever the grammar says of "\t".
    for (const MailParameter& one : field.parameters)
        if (one.name == parameter && one.raw.contains('\\')) is_good &= names.add(unquoted(one.raw));
    for (std::size_t i = 0; i < found.plain; ++i) is_good &= names.add(found.values[i]);
    for (const MailParameter& one : field.parameters)
        if (one.name == parameter) add_other_names(one, names);
    if (!is_good) output.note(Ambiguity::bad_encoded_word);
    if (found.is_duplicate) output.note(Ambiguity::duplicate_parameter);
}

// The names in a field: in its parameters, and in those that are there for readers that know neither comments nor backslashes, or that undo encoded
// words before anything else.
void EntityReader::read_names(std::string_view value, std::span<const std::string_view> parameters, MailNames& names) {
    const auto add = [&](const MailField& field) {
        for (const std::string_view parameter : parameters) add_names(field, parameter, names, output_);
    };
    const Limits& limits = output_.limits();
    const MailField field = parse_mail_field(value, limits);
    add(field);
    if (field.has_comment || value.contains('\\')) add(parse_mail_field(value, limits, FieldGrammar::bare));
    if (!value.contains("=?")) return;
    if (const DecodedWords words = decode_words(unfolded(value)); words.has_words) add(parse_mail_field(words.text, limits));
}

// Each of them takes its time, and beyond the first and the last no reader looks.
std::vector<std::string_view> EntityReader::few(std::vector<std::string_view> values) {
    constexpr std::size_t most = 16;
    if (values.size() <= most) return values;
    output_.note(Ambiguity::too_many);
    values[most - 1] = values.back();
    values.resize(most);
    return values;
}

void EntityReader::read_disposition() {
    MailNames names(output_.limits().header_parameters, output_.limits().mail_text);
    bool is_inline = false;
    for (const std::string_view value : few(values("content-disposition"))) {
        read_names(value, std::array<std::string_view, 2>{"filename", "name"}, names);
        const MailField field = parse_mail_field(value, output_.limits());
        if (field.is_odd && !value.empty()) output_.note(Ambiguity::bad_header);
        entity_.is_attachment |= field.value == "attachment";
        is_inline |= field.value == "inline";
    }
    for (const std::string_view value : few(values("content-type")))
        read_names(value, std::array<std::string_view, 2>{"name", "filename"}, names);
    if (names.is_cut()) output_.note(Ambiguity::too_many);
    entity_.names = names.names();
    const bool is_shown = is_text() || entity_.kind == MailEntity::Kind::multipart || (is_inline && place_ != Place::message);
    if (!entity_.names.empty() || !is_shown) entity_.is_attachment = true;
}

void EntityReader::judge_version() {
    if (place_ != Place::message || std::ranges::find(fields_, "mime-version", &HeaderField::name) != fields_.end()) return;
    const bool is_mime = entity_.kind != MailEntity::Kind::leaf || entity_.codings != std::vector{Coding::identity};
    if (!is_mime) return;
    output_.note(Ambiguity::no_mime_version, Reading::strict);
    if (reading_ == Reading::strict) entity_ = {};
}

MailEntity EntityReader::read() {
    read_type();
    read_codings();
    read_disposition();
    judge_version();
    return std::move(entity_);
}

}  // namespace

MailEntity read_entity(std::span<const HeaderField> fields, Place place, MailOutput& output) {
    if (place == Place::message) judge_head(fields, output);
    return EntityReader(fields, place, output).read();
}

}  // namespace sluice::mime

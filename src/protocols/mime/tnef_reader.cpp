// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/tnef_reader.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/mail_names.h"
#include "protocols/mime/part_content.h"

namespace sluice::mime {
namespace {

// Attributes (MS-OXTNEF 2.1.3.3) and properties (MS-OXPROPS).
constexpr std::uint32_t attach_rendering = 0x00069002;  // an attachment begins
constexpr std::uint32_t attach_title = 0x00018010;
constexpr std::uint32_t attach_data = 0x0006800f;
constexpr std::uint32_t attach_properties = 0x00069005;
constexpr std::uint16_t property_data = 0x3701;
constexpr std::uint16_t property_display_name = 0x3001;
constexpr std::uint16_t property_extension = 0x3703;
constexpr std::uint16_t property_file_name = 0x3704;
constexpr std::uint16_t property_long_file_name = 0x3707;

// What has a name in it, the one that most prefer first.
constexpr std::array<std::uint32_t, 4> names_from{property_long_file_name, attach_title, property_file_name, property_display_name};

constexpr std::size_t class_size = 16;  // of an object's interface, before its content

std::uint32_t number(std::string_view in) {
    std::uint32_t out = 0;
    for (std::size_t i = 4; i-- > 0;) out = out << 8U | static_cast<unsigned char>(in[i]);
    return out;
}

}  // namespace

TnefReader::TnefReader(std::size_t depth, bool is_alternative, MailOutput& output)
    : depth_(depth),
      is_alternative_(is_alternative),
      output_(output) {}

TnefReader::~TnefReader() = default;

void TnefReader::want(State state, std::uint64_t octets) {
    state_ = state;
    needed_ = octets;
    gathered_.clear();
}

void TnefReader::broken() {
    output_.note(Ambiguity::bad_tnef);
    state_ = State::broken;
}

void TnefReader::feed(std::string_view bytes) {
    while (!bytes.empty() && state_ != State::broken) {
        const bool is_value = state_ == State::value;
        const std::uint64_t missing = is_value ? needed_ : needed_ - gathered_.size();
        const std::string_view now = bytes.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(missing, bytes.size())));
        bytes.remove_prefix(now.size());
        if (is_value) {
            value(now);
            needed_ -= now.size();
            if (needed_ == 0) value_over();
        } else {
            gathered_ += now;
            if (gathered_.size() == needed_) step();
        }
    }
}

void TnefReader::step() {
    if (state_ == State::signature) {
        if (!gathered_.starts_with(signature)) return broken();
        want(State::attribute, 9);
    } else if (state_ == State::attribute) {
        attribute();
    } else {
        want(State::attribute, 9);
    }
}

// Level, id and length came.
void TnefReader::attribute() {
    if (gathered_.front() != 1 && gathered_.front() != 2) return broken();
    id_ = number(std::string_view(gathered_).substr(1));
    const std::uint32_t size = number(std::string_view(gathered_).substr(5));
    if (id_ == attach_rendering) end_attachment();
    if (id_ == attach_data) begin_content(false);
    MapiProperties::Listener& listener = *this;
    if (id_ == attach_properties) properties_ = std::make_unique<MapiProperties>(listener);
    if (id_ == attach_title) begin_name(attach_title, false);
    want(State::value, size);
    if (size == 0) value_over();
}

void TnefReader::value(std::string_view octets) {
    if (id_ == attach_data) contents_.back()->feed(octets);
    else if (id_ == attach_title) keep_name(octets);
    else if (id_ == attach_properties) properties_->feed(octets);
}

void TnefReader::value_over() {
    if (properties_ && !properties_->is_over()) output_.note(Ambiguity::bad_tnef);
    properties_.reset();
    want(State::checksum, 2);
}

void TnefReader::on_value_begin(MapiProperties::Property property) {
    if (property.id == property_data) {
        const bool is_object = property.type == MapiProperties::object;
        class_left_ = is_object ? class_size : 0;
        begin_content(is_object);
    } else if (property.id == property_extension || std::ranges::find(names_from, property.id) != names_from.end()) {
        begin_name(property.id, (property.type & ~MapiProperties::many) == MapiProperties::unicode);
    }
}

void TnefReader::on_value(MapiProperties::Property property, std::string_view octets) {
    if (property.id == property_extension || std::ranges::find(names_from, property.id) != names_from.end()) keep_name(octets);
    if (property.id != property_data) return;
    const std::size_t of_class = std::min(class_left_, octets.size());
    class_left_ -= of_class;
    octets.remove_prefix(of_class);
    if (!octets.empty()) contents_.back()->feed(octets);
}

// Of more than are kept, the last is.
void TnefReader::begin_name(std::uint32_t from, bool is_unicode) {
    if (names_.size() == output_.limits().header_parameters) names_.pop_back();
    names_.push_back({.from = from, .is_unicode = is_unicode, .text = {}});
}

void TnefReader::keep_name(std::string_view octets) {
    std::string& text = names_.back().text;
    text += octets.substr(0, output_.limits().mail_text - std::min(output_.limits().mail_text, text.size()));
}

std::vector<std::string> TnefReader::names() const {
    MailNames names(output_.limits().header_parameters, output_.limits().mail_text);
    const auto text_of = [](const Name& name) {
        std::string text = to_utf8(name.text, name.is_unicode ? "utf-16le" : "");
        while (text.ends_with('\0')) text.pop_back();
        return text;
    };
    for (const std::uint32_t from : names_from)
        for (const Name& name : names_)
            if (name.from == from) names.add(text_of(name));
    // An extension is told by itself too: the first name with it instead of its own.
    std::string stem = names.names().empty() ? "attachment" : names.names().front();
    stem.resize(std::min(stem.rfind('.'), stem.size()));
    for (const Name& name : names_) {
        if (name.from != property_extension) continue;
        std::string extension = text_of(name);
        if (extension.starts_with('.')) extension.erase(0, 1);
        const auto has_it = [&](const std::string& one) { return file_extension(one) == lower(extension); };
        if (!extension.empty() && std::ranges::none_of(names.names(), has_it)) names.add(stem + '.' + extension);
    }
    return names.names();
}

// Outlook gives an object twice: as what other programs are to show, and as itself. All else that has content twice is odd.
void TnefReader::begin_content(bool is_object) {
    if (!contents_.empty() && !(is_object && contents_.size() == 1)) output_.note(Ambiguity::bad_tnef);
    if (contents_.size() == output_.limits().header_parameters) {
        contents_.front()->finish();
        contents_.erase(contents_.begin());
    }
    Part part{.content_type = "application/octet-stream", .names = {}, .is_attachment = true, .is_alternative = is_alternative_};
    contents_.push_back(std::make_unique<PartContent>(std::move(part), depth_ + 1, output_));
}

void TnefReader::end_attachment() {
    if (!contents_.empty()) {
        const std::vector<std::string> found = names();
        for (const auto& content : contents_) {
            content->rename(found);
            content->finish();
        }
    }
    contents_.clear();
    names_.clear();
}

void TnefReader::finish() {
    if (state_ != State::broken && (state_ != State::attribute || !gathered_.empty())) output_.note(Ambiguity::bad_tnef);
    end_attachment();
}

}  // namespace sluice::mime

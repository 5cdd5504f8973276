// SPDX-License-Identifier: Apache-2.0
// expression := every ("or" every)* ; every := unary ("and" unary)* ; unary := "not" unary | "(" expression ")" | comparison
// comparison := operand [operator value] ; operand := NAME ["[" STRING "]"] | FUNCTION "(" operand ")"
#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "base/text.h"
#include "policy/expression.h"
#include "policy/lexer.h"

namespace sluice::policy {
namespace {

struct Operator {
    std::string_view name;
    Comparison comparison;
};
constexpr std::array<Operator, 11> operators{{{"==", Comparison::equal},
                                              {"!=", Comparison::not_equal},
                                              {"<", Comparison::less},
                                              {"<=", Comparison::less_equal},
                                              {">", Comparison::greater},
                                              {">=", Comparison::greater_equal},
                                              {"in", Comparison::in},
                                              {"contains", Comparison::contains},
                                              {"starts_with", Comparison::starts_with},
                                              {"ends_with", Comparison::ends_with},
                                              {"matches", Comparison::matches}}};
constexpr std::array<std::string_view, 4> function_names{"exists", "lower", "len", "all"};

class Parser {
public:
    Parser(std::string_view text, std::vector<Fault>& faults, const ExpressionLimits& limits)
        : lexer_(text),
          faults_(faults),
          limits_(limits) {
        advance();
    }

    Node whole() {
        Node node = expression(0);
        if (!failed_ && token_.kind != Token::Kind::end) {
            if (is_symbol(")")) fail(token_.position, "this `)` has no `(`");
            else unexpected("`and`, `or` or the end");
        }
        return node;
    }

private:
    static Node make(Node::Kind kind, std::size_t position) {
        Node node;
        node.kind = kind;
        node.position = position;
        return node;
    }

    Node expression(std::size_t depth) { return connective(depth, "or", Node::Kind::any); }

    Node connective(std::size_t depth, std::string_view word, Node::Kind kind) {
        const bool outer = kind == Node::Kind::any;
        Node first = outer ? connective(depth, "and", Node::Kind::every) : unary(depth);
        if (failed_ || !is_name(word)) return first;
        Node node = make(kind, token_.position);
        node.children.push_back(std::move(first));
        count();
        while (!failed_ && is_name(word)) {
            advance();
            node.children.push_back(outer ? connective(depth, "and", Node::Kind::every) : unary(depth));
        }
        return node;
    }

    Node unary(std::size_t depth) {
        if (depth > limits_.depth) {
            fail(token_.position, fmt::format("nested deeper than {} levels", limits_.depth));
            return {};
        }
        const std::size_t position = token_.position;
        if (is_name("not")) {
            advance();
            Node node = make(Node::Kind::negation, position);
            node.children.push_back(unary(depth + 1));
            count();
            return node;
        }
        if (is_symbol("(")) {
            advance();
            Node node = expression(depth + 1);
            if (!failed_ && !is_symbol(")")) fail(token_.position, "`)` is expected here");
            advance();
            return node;
        }
        return comparison(depth);
    }

    Node comparison(std::size_t depth) {
        count();
        Node node = make(Node::Kind::bare, token_.position);
        if (token_.kind == Token::Kind::literal) {
            if (token_.literal.kind != Literal::Kind::boolean) {
                fail(token_.position, "a field is expected here; values stand right of the operator");
                return node;
            }
            node.kind = Node::Kind::constant;
            node.literals.push_back(token_.literal);
            advance();
            return node;
        }
        node.operand = operand(depth);
        if (failed_) return node;
        bool negated = false;
        const std::size_t operator_position = token_.position;
        if (is_name("not")) {                            // `x not in y`
            negated = true;
            advance();
            if (!is_name("in")) {
                fail(operator_position, "an operator, `and` or `or` is expected here");
                return node;
            }
        }
        const auto found = std::ranges::find(operators, token_.text, &Operator::name);
        if (found == operators.end() || (token_.kind != Token::Kind::symbol && token_.kind != Token::Kind::name)) {
            check_operator_name();
            return node;
        }
        node.kind = Node::Kind::comparison;
        node.comparison = found->comparison;
        node.position = operator_position;
        advance();
        node.value_position = token_.position;
        right_side(node);
        if (!negated) return node;
        Node outer = make(Node::Kind::negation, operator_position);
        outer.children.push_back(std::move(node));
        return outer;
    }

    // After an operand stands no operator: a mistyped one gets a better message than "`and` is expected".
    void check_operator_name() {
        if (token_.kind != Token::Kind::name || is_name("and") || is_name("or")) return;
        std::array<std::string_view, 13> names{"and", "or"};
        std::ranges::transform(operators, names.begin() + 2, &Operator::name);
        const std::string_view nearest = nearest_name(token_.text, names);
        fail(token_.position, nearest.empty() ? fmt::format("`{}` is no operator", token_.text)
                                              : fmt::format("`{}` is no operator; did you mean `{}`?", token_.text, nearest));
    }

    void right_side(Node& node) {
        if (failed_) return;
        if (token_.kind == Token::Kind::list) {
            node.list = token_.text;
            if (node.comparison != Comparison::in) fail(token_.position, "a list stands right of `in` alone");
            advance();
            return;
        }
        if (is_symbol("{")) {
            if (node.comparison != Comparison::in) return fail(token_.position, "a set stands right of `in` alone");
            node.is_set = true;
            advance();
            while (!failed_ && !is_symbol("}")) {
                literal(node);
                if (is_symbol(",")) advance();
                else if (!failed_ && !is_symbol("}")) fail(token_.position, "`,` or `}` is expected here");
            }
            if (!failed_ && node.literals.empty()) fail(node.value_position, "this set is empty");
            advance();
            return;
        }
        literal(node);
    }

    void literal(Node& node) {
        if (token_.kind == Token::Kind::list) return fail(token_.position, "a list stands alone, not in a set: `in @a or … in @b`");
        if (token_.kind != Token::Kind::literal) {
            if (token_.kind == Token::Kind::name)
                return fail(token_.position, fmt::format("a value is expected here; text stands in quotes: \"{}\"", token_.text));
            return unexpected("a value");
        }
        node.literals.push_back(token_.literal);
        advance();
    }

    Operand operand(std::size_t depth) {
        Operand out;
        out.position = token_.position;
        std::size_t open = 0;
        for (;;) {
            if (token_.kind != Token::Kind::name || is_name("and") || is_name("or") || is_name("in")) {
                unexpected("a field");
                return out;
            }
            const Token name = token_;
            advance();
            if (!is_symbol("(")) {
                out.field = name.text;
                out.field_position = name.position;
                break;
            }
            const auto function = std::ranges::find(function_names, name.text);
            if (function == function_names.end()) {
                const std::string_view nearest = nearest_name(name.text, function_names);
                fail(name.position, nearest.empty() ? fmt::format("unknown function `{}`; there are exists, lower, len and all", name.text)
                                                    : fmt::format("unknown function `{}`; did you mean `{}`?", name.text, nearest));
                return out;
            }
            out.functions.push_back(static_cast<Function>(function - function_names.begin() + 1));
            if (++open + depth > limits_.depth) {
                fail(name.position, fmt::format("nested deeper than {} levels", limits_.depth));
                return out;
            }
            advance();
        }
        if (is_symbol("[")) {
            advance();
            if (token_.kind != Token::Kind::literal || token_.literal.kind != Literal::Kind::string) {
                unexpected("a header's name in quotes");
                return out;
            }
            out.header = token_.literal.text;
            out.has_header = true;
            advance();
            if (!failed_ && !is_symbol("]")) fail(token_.position, "`]` is expected here");
            advance();
        }
        for (; open > 0 && !failed_; --open) {
            if (!is_symbol(")")) fail(token_.position, "`)` is expected here");
            advance();
        }
        return out;
    }

    bool is_name(std::string_view name) const { return token_.kind == Token::Kind::name && token_.text == name; }
    bool is_symbol(std::string_view symbol) const { return token_.kind == Token::Kind::symbol && token_.text == symbol; }

    void advance() {
        if (failed_) return;
        token_ = lexer_.next();
        if (token_.kind == Token::Kind::bad) fail(token_.position, token_.text);
    }

    void count() {
        if (++nodes_ > limits_.nodes)
            fail(token_.position, fmt::format("more than {} comparisons; a list or a set `in {{…}}` does it better", limits_.nodes));
    }

    void unexpected(std::string_view expected) {
        if (token_.kind == Token::Kind::end) fail(token_.position, fmt::format("{} is expected here, at the end", expected));
        else fail(token_.position, fmt::format("{} is expected here", expected));
    }

    void fail(std::size_t position, std::string message) {
        if (failed_) return;
        failed_ = true;
        faults_.push_back({position, std::move(message)});
        token_ = Token{.kind = Token::Kind::end, .text = {}, .literal = {}, .position = position};
    }

    Lexer lexer_;
    std::vector<Fault>& faults_;
    ExpressionLimits limits_;
    Token token_;
    std::size_t nodes_ = 0;
    bool failed_ = false;
};

}  // namespace

std::string_view to_string(Comparison comparison) { return std::ranges::find(operators, comparison, &Operator::comparison)->name; }

Node parse_expression(std::string_view text, std::vector<Fault>& faults, const ExpressionLimits& limits) {
    if (text.size() > limits.bytes) {
        faults.push_back({0, fmt::format("longer than {} bytes; a list does it better", limits.bytes)});
        return {};
    }
    return Parser(text, faults, limits).whole();
}

}  // namespace sluice::policy

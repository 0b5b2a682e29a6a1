import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/**
 * A JDBC driver as a BI tool uses it: `java Jdbc.java URL [property=value …] -- command…`, and after `++` the same again
 * for another connection. Each command's answer is a line: `ok` and the values, or `error` and what the person would read.
 *
 * <p>Commands: `query:SQL`, `prepared:SQL|parameter`, `tables:catalog.schema`, `columns:catalog.schema.table`, `valid`.
 */
public final class Jdbc {
    private Jdbc() {}

    public static void main(String[] arguments) {
        List<String> left = List.of(arguments);
        for (int end; (end = left.indexOf("++")) >= 0; left = left.subList(end + 1, left.size())) {
            connect(left.subList(0, end));
        }
        connect(left);
    }

    private static void connect(List<String> arguments) {
        var properties = new Properties();
        int next = 1;
        for (; !arguments.get(next).equals("--"); next++) {
            int at = arguments.get(next).indexOf('=');
            properties.setProperty(arguments.get(next).substring(0, at), arguments.get(next).substring(at + 1));
        }
        List<String> commands = arguments.subList(next + 1, arguments.size());
        try (Connection connection = DriverManager.getConnection(arguments.get(0), properties)) {
            commands.forEach(command -> say(connection, command));
        } catch (SQLException e) {
            commands.forEach(command -> System.out.println("error " + e.getMessage().replace("\n", " ")));
        }
    }

    private static void say(Connection connection, String command) {
        int at = command.indexOf(':');
        String word = at < 0 ? command : command.substring(0, at);
        String rest = at < 0 ? "" : command.substring(at + 1);
        try {
            System.out.println("ok " + String.join(",", answer(connection, word, rest)));
        } catch (SQLException e) {
            System.out.println("error " + e.getMessage().replace("\n", " "));
        }
    }

    private static List<String> answer(Connection connection, String word, String rest) throws SQLException {
        DatabaseMetaData metadata = connection.getMetaData();
        String[] parts = rest.split("\\.");
        switch (word) {
            case "query":
                try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(rest)) {
                    return column(rows, 1);
                }
            case "prepared":
                int bar = rest.lastIndexOf('|');
                try (PreparedStatement statement = connection.prepareStatement(rest.substring(0, bar))) {
                    statement.setString(1, rest.substring(bar + 1));
                    try (ResultSet rows = statement.executeQuery()) {
                        return column(rows, 1);
                    }
                }
            case "tables":
                try (ResultSet rows = metadata.getTables(parts[0], parts[1], "%", null)) {
                    return column(rows, 3);
                }
            case "columns":
                try (ResultSet rows = metadata.getColumns(parts[0], parts[1], parts[2], "%")) {
                    return column(rows, 4);
                }
            case "valid":
                return List.of(Boolean.toString(connection.isValid(10)));
            default:
                throw new IllegalArgumentException(word);
        }
    }

    private static List<String> column(ResultSet rows, int number) throws SQLException {
        var values = new ArrayList<String>();
        while (rows.next()) {
            values.add(String.valueOf(rows.getObject(number)));
        }
        return values;
    }
}
